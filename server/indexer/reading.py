"""Reads a message for the index, within bounds: mail is hostile, and the index goes on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, NamedTuple

from ..message.digest import digest_of
from ..message.parse import ParsedMessage, parse
from ..store.codec import encode
from ..store.content import content_of
from ..store.store import MessageRow
from ..store.terms import plain

MEMORY: Final = 1024 * 1024 * 1024
"""Bytes of address space that the indexer may have; a message that needs more isn't parsed."""
SECONDS: Final = 10.0
"""Seconds that one message may take: `parse` is linear, but who knows what comes."""


class Read(NamedTuple):
    """What the index keeps of a message: columns of `entry`, and the text of `words`."""

    attachments: int
    inline: int
    digest: str | None
    text: str


class _TooLong(BaseException):
    """A message took more than its time; no `Exception`, which `parse` would take for a fault."""


def read_whole(row: MessageRow, raw: bytes, *, seconds: float = SECONDS) -> Read:
    """
    Read a message; of one that takes too much time or memory, the header only.

    For the main thread: the time is a signal's, where the system has that.
    """
    try:
        with _limited(seconds):
            return _read(row, parse(raw))
    except (_TooLong, MemoryError):
        return read_header(row)


def read_header(row: MessageRow) -> Read:
    """Give what is known of a message without its bytes."""
    fields = row.fields
    known = (fields.from_, fields.subject, fields.to, fields.cc, fields.reply_to)
    envelope = (*(to.address for to in row.envelope.recipients), row.envelope.reverse_path)
    return Read(attachments=0, inline=0, digest=None, text=plain(" ".join((*known, *envelope))))


def limit_memory() -> None:
    """Bound this process's memory, where the system can and lets us."""
    try:
        import resource
    except ImportError:  # pragma: no cover - Windows
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with suppress(OSError, ValueError):  # a sandbox may forbid it, and have a limit of its own
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))


def _read(row: MessageRow, message: ParsedMessage) -> Read:
    content = content_of(row, message)
    return Read(content.attachments, content.inline, encode(digest_of(message)), content.text)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    if not hasattr(signal, "setitimer"):  # pragma: no cover - Windows
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
