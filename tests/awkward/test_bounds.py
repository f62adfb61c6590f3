"""
How long awkward mail takes to be shown, and how much memory: the bounds of docs/limits.md.

Time is CPU time, told as a multiple of what a plain message of the same size takes in the same
process, so that neither a slow machine nor its load matters.
"""

from __future__ import annotations

import base64
import time
import tracemalloc
from collections.abc import Callable, Mapping
from functools import partial

import pytest

from bindpost.server.message.found import find
from bindpost.server.message.headers import read_fields
from bindpost.server.message.model import Envelope, Recipient, SessionFacts, new_id, utc_now
from bindpost.server.message.parse import parse
from bindpost.server.store.store import MessageRow
from bindpost.server.web import mailhog_objects
from bindpost.server.web.frame import EMBEDDED, dress
from bindpost.server.web.mailpit_message import linked
from bindpost.server.web.pages import see

from .body import BODIES
from .header import HEADERS
from .kit import Awkward, entity
from .structure import STRUCTURES

MEGABYTE = 1_000_000
SMALL = 1_000
LONG = pytest.mark.long
GROWING = [
    mail
    for mail in (*HEADERS, *BODIES, *STRUCTURES)
    if len(mail.make(MEGABYTE)) > len(mail.make(SMALL)) + MEGABYTE // 2
]
TIMES_PLAIN = {MEGABYTE: 60, 10 * MEGABYTE: 20}
"""How many times as long as a plain message of that size an awkward one may take: there are a
thousand parts to both, so it is less for the larger one."""
TIMES_SIZE = 15
"""How many times its size a message may take of memory while it is looked at, in bytes."""
PICTURES = 3 * EMBEDDED
"""And what the pictures may take that stand in the HTML form for each `cid:`."""

Reader = Callable[[bytes], object]


def plain(size: int) -> bytes:
    """Give a message of so many bytes as they come every day: a text, and an attached file."""
    lines = base64.encodebytes(bytes(size * 3 // 4)).replace(b"\n", b"\r\n")
    return b"Subject: plain\r\n" + entity(
        "application/pdf", lines[:size], Content_Transfer_Encoding="base64"
    )


def mailhog(raw: bytes) -> object:
    """Make MailHog's object of a message."""
    session = SessionFacts(new_id(), utc_now(), "127.0.0.1:1025", "direct:", "ims-5.5")
    row = MessageRow(
        cursor=1,
        id=new_id(),
        received=utc_now(),
        size=len(raw),
        read=False,
        envelope=Envelope("a@example.test", (Recipient("b@example.test"),)),
        session=session,
        fields=read_fields(raw),
    )
    return mailhog_objects.message(row, raw)


READERS: Mapping[str, Reader] = {
    "row": read_fields,
    "api": lambda raw: find(parse(raw)),
    "frame": dress,
    "mailpit": partial(linked, "x", embedded=True),
    "mailhog": mailhog,
    **{view: partial(see, show=view) for view in ("source", "parts", "links")},
}
"""What the server does with a message's bytes, each when somebody asks for it."""


def seconds(reader: Reader, raw: bytes) -> float:
    """Give the CPU time that one look takes."""
    start = time.process_time()
    reader(raw)
    return time.process_time() - start


@pytest.fixture(scope="module", params=[MEGABYTE, pytest.param(10 * MEGABYTE, marks=LONG)])
def size(request: pytest.FixtureRequest) -> int:
    """Give the size of the messages."""
    chosen: int = request.param
    return chosen


@pytest.fixture(scope="module")
def limit(size: int) -> float:
    """Give the CPU seconds that a message of this size may take."""
    raw = plain(size)
    return TIMES_PLAIN[size] * max(
        min(seconds(reader, raw) for _ in range(3)) for reader in READERS.values()
    )


@pytest.mark.parametrize("mail", GROWING, ids=lambda mail: mail.name)
def test_no_message_takes_long_to_be_shown(mail: Awkward, size: int, limit: float) -> None:
    """Whatever is looked at, a message takes a bounded multiple of what a plain one takes."""
    raw = mail.make(size)

    for name, reader in READERS.items():
        # A thread of somebody else's may have taken part of the first.
        assert any(seconds(reader, raw) < limit for _ in range(3)), name


@pytest.mark.long
@pytest.mark.parametrize("mail", GROWING, ids=lambda mail: mail.name)
def test_no_message_takes_much_memory(mail: Awkward) -> None:
    """Whatever is looked at, it takes a bounded multiple of the message's size."""
    raw = mail.make(MEGABYTE // 2)

    for name in ("api", "frame", "mailpit", "mailhog", "parts"):
        tracemalloc.start()
        try:
            READERS[name](raw)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < TIMES_SIZE * len(raw) + (PICTURES if name == "frame" else 0), name
