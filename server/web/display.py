"""Parsed forms of messages: made away from the event loop, remembered where they are small."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

import msgspec

from ..message.addresses import Address
from ..message.mime import walk
from ..message.parse import ParsedMessage, content_id, file_name, parse
from ..store.store import MessageRow, MessageStore

_P = ParamSpec("_P")
_T = TypeVar("_T")

REMEMBERED: Final = 5_000
"""Digests that are remembered; one of ordinary mail takes about a kilobyte."""
_ADDRESS_LIMIT: Final = 100
"""Digests of more addresses than this are not remembered."""


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """What a list shows of a message beside its row."""

    from_: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    attachments: int = 0
    snippet: str = ""

    @property
    def is_small(self) -> bool:
        """Whether it may be remembered."""
        count = len(self.from_) + len(self.to) + len(self.cc) + len(self.reply_to)
        return count <= _ADDRESS_LIMIT


class PartContent(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a message by itself: what it calls itself, and its decoded bytes."""

    content_type: str
    charset: str
    file_name: str
    content: bytes


class Display:
    """Parses on demand, in a thread of its own so that nothing else of the server waits for it."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="bindpost-display")
        self._digests: OrderedDict[str, Digest] = OrderedDict()

    async def read(self, message_id: str, reader: Callable[[bytes], _T]) -> _T | None:
        """Give what a reader makes of a message's bytes; None if it isn't there any more."""
        raw = await self._store.raw(message_id)
        if raw is None:
            return None
        return await self.call(reader, raw)

    async def parsed(self, message_id: str) -> ParsedMessage | None:
        """Give a message parsed; None if it isn't there any more."""
        return await self.read(message_id, parse)

    async def part(self, message_id: str, part_id: str) -> PartContent | None:
        """Give a part of a message by its number (`1.2`); None if there is none."""
        return await self.read(message_id, partial(_part, part_id))

    async def look(self, into: Callable[[ParsedMessage], _T], message: ParsedMessage) -> _T:
        """Call a function that looks into a parsed message, in that thread."""
        return await self.call(into, message)

    async def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a function in that thread: what makes something large of a message."""
        bound = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._executor, bound)

    def close(self) -> None:
        """Let go of the thread, once what it does is done."""
        self._executor.shutdown(wait=False)

    async def digests(self, rows: Sequence[MessageRow]) -> list[Digest]:
        """Give the digest of each row, in order; an empty one for a message that went meanwhile."""
        return [await self._digest(row.id) for row in rows]

    async def _digest(self, message_id: str) -> Digest:
        if message_id in self._digests:
            self._digests.move_to_end(message_id)
            return self._digests[message_id]
        message = await self.parsed(message_id)
        if message is None:
            return Digest()
        digest = _digest(message)
        if digest.is_small:
            self._digests[message_id] = digest
            if len(self._digests) > REMEMBERED:
                self._digests.popitem(last=False)
        return digest


def _part(part_id: str, raw: bytes) -> PartContent | None:
    part = next((part for part in walk(raw) if part.id == part_id), None)
    if part is None or part.is_container:
        return None
    kind, parameters = part.content_type
    return PartContent(
        content_type=kind,
        charset=parameters.get("charset", ""),
        file_name=file_name(part) or content_id(part),
        content=part.decoded(),
    )


def _digest(message: ParsedMessage) -> Digest:
    return Digest(
        from_=message.from_,
        to=message.to,
        cc=message.cc,
        reply_to=message.reply_to,
        attachments=len(message.attachments),
        snippet=message.snippet,
    )
