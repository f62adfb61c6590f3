"""Parsed forms of messages: made away from the event loop, remembered where they are small."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import msgspec

from ..message.addresses import Address
from ..message.parse import ParsedMessage, parse
from ..store.store import MessageRow, MessageStore

REMEMBERED: Final = 5_000
"""Digests that are remembered; one of ordinary mail takes about a kilobyte."""
_ADDRESS_LIMIT: Final = 100
"""Digests of more addresses than this are not remembered."""

_T = TypeVar("_T")


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


class Display:
    """Parses on demand, in a thread of its own so that nothing else of the server waits for it."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="bindpost-display")
        self._digests: OrderedDict[str, Digest] = OrderedDict()

    async def parsed(self, message_id: str) -> ParsedMessage | None:
        """Give a message parsed; None if it isn't there any more."""
        return await self.looked_at(message_id, parse)

    async def looked_at(self, message_id: str, look: Callable[[bytes], _T]) -> _T | None:
        """Give what `look` makes of a message's bytes; None if it isn't there any more."""
        raw = await self._store.raw(message_id)
        if raw is None:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._executor, look, raw)

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


def _digest(message: ParsedMessage) -> Digest:
    return Digest(
        from_=message.from_,
        to=message.to,
        cc=message.cc,
        reply_to=message.reply_to,
        attachments=len(message.attachments),
        snippet=message.snippet,
    )
