"""Moving: the route that gives the inbox as a file, and the one that takes such a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ..message.model import utc_now
from ..store import inbox_file
from ..store.store import Copy, MessageRow, Query, SharedStore
from .operation import BYTES
from .requests import read_query, refuse
from .responses import json_response

_WINDOW: Final = 1_000
"""Cursors that are looked through at once."""
_AT_ONCE: Final = 32
"""Messages that are read at once."""
_SESSIONS: Final = 10_000
"""Sessions of which is remembered that their transcript was given."""


class Moved(msgspec.Struct, frozen=True):
    """How many messages of a file are in the inbox now, and how many were there before."""

    imported: int
    there: int


class Moving:
    """
    The handlers; `size_limit` is how many bytes a message may have.

    Without a store they say that it is not for a mailbox: a message may be in others too, and has
    flags of its own in the whole inbox.
    """

    def __init__(self, store: SharedStore | None, *, size_limit: int) -> None:
        self._inbox = store
        self._size_limit = size_limit

    def routes(self) -> list[Route]:
        """Give the routes."""
        path = "/api/bindpost/v1/inbox"
        return [Route(path, self.give), Route(path, self.take, methods=["POST"])]

    @property
    def _store(self) -> SharedStore:
        return self._inbox or refuse("An inbox is moved as a whole: ask without a mailbox.")

    async def give(self, request: Request) -> Response:
        """Answer with the messages that are there now, the oldest first."""
        return StreamingResponse(
            _file(self._store, read_query(request)),
            media_type=BYTES,
            headers={"Content-Disposition": 'attachment; filename="mail.inbox"'},
        )

    async def take(self, request: Request) -> Response:
        """Keep the messages of the body; answer when they are durable."""
        store, now = self._store, utc_now()
        imported = there = 0
        try:
            async for copies in _batches(request, self._size_limit):
                known = await store.restore([_moved(copy, now) for copy in copies])
                imported += len(copies) - len(known)
                there += len(known)
                await _compare(store, copies, known)
        except inbox_file.InboxFileError as error:
            is_large = isinstance(error, inbox_file.MessageTooLargeError)
            hint = ", this server's limits.message_size" if is_large else ""
            before = f"of this request {imported} messages are imported" if imported else ""
            text = "; ".join(filter(None, [f"{error}{hint}", before]))
            refuse(f"{text}.", 413 if is_large else 400)
        return json_response(Moved(imported, there))


async def _batches(request: Request, size_limit: int) -> AsyncIterator[list[Copy]]:
    """Give the messages of a body, some at a time; `InboxFileError` says what is wrong with it."""
    reader = inbox_file.Reader(size_limit=size_limit)
    batch = inbox_file.Batch()
    async for chunk in request.stream():
        for entry in reader.feed(chunk):
            if full := batch.put(entry):
                yield [each.copy for each in full]
    reader.finish()
    if rest := batch.take():
        yield [each.copy for each in rest]


def _moved(copy: Copy, now: datetime) -> Copy:
    """Give a copy whose session tells that the message was moved here."""
    session = msgspec.structs.replace(copy.message.session, moved=now)
    message = msgspec.structs.replace(copy.message, session=session)
    return msgspec.structs.replace(copy, message=message)


async def _compare(store: SharedStore, copies: Sequence[Copy], known: Sequence[str]) -> None:
    """Refuse a file that has other bytes than the inbox for a message of the same id."""
    names = set(known)
    doubtful = [copy.message for copy in copies if copy.message.id in names]
    here = await asyncio.gather(*(store.raw(message.id) for message in doubtful))
    for message, raw in zip(doubtful, here, strict=True):
        if raw not in (message.raw, None):  # None: it has gone meanwhile
            text = f"The inbox has a message {message.id} with other bytes: delete one of the two."
            refuse(text, 409)


async def _file(store: SharedStore, query: Query) -> AsyncIterator[bytes]:
    """
    Give the inbox file of the messages that match.

    The transcript of a session stands with the first of its messages: when it is read, all of them
    are kept already, so it has what was said about each.
    """
    yield inbox_file.HEAD
    told: set[str] = set()
    async for rows in _pages(store, query):
        for part in _parts(rows):
            copies = await store.copies(part, told=told)
            if len(told) >= _SESSIONS:
                told.clear()
            told.update(copy.message.session.session_id for copy in copies)
            yield b"".join(map(inbox_file.write, copies))


async def _pages(store: SharedStore, query: Query) -> AsyncIterator[list[MessageRow]]:
    """Give what matches now, the oldest first, by ranges of cursors: each is found at once."""
    newest = await store.find(query, limit=1)
    if not newest:
        return
    end = newest[0].cursor + 1
    query = msgspec.structs.replace(query, before=end)  # what comes meanwhile must not shift them
    oldest = await store.find(query, limit=1, offset=max(0, (await store.count(query)).total - 1))
    after = oldest[0].cursor - 1 if oldest else query.after or 0
    while after + 1 < end:
        before = min(after + 1 + _WINDOW, end)
        part = msgspec.structs.replace(query, after=after, before=before)
        yield (await store.find(part, limit=0))[::-1]
        after = before - 1


def _parts(rows: Sequence[MessageRow]) -> Iterator[list[MessageRow]]:
    """Cut rows into parts whose bytes may be in memory at once."""
    part: list[MessageRow] = []
    size = 0
    for row in rows:
        if part and (len(part) == _AT_ONCE or size + row.size > inbox_file.BATCH_BYTES):
            yield part
            part, size = [], 0
        part.append(row)
        size += row.size
    if part:
        yield part
