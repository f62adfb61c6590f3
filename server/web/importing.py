"""Importing: the route that takes a message as bytes, with the envelope told beside it."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..message import derived
from ..message.model import (
    Envelope,
    EnvelopePart,
    Message,
    Recipient,
    SessionFacts,
    TranscriptLine,
    new_id,
    utc_now,
)
from ..store.store import MessageStore
from . import native_objects as objects
from .requests import read_body, refuse
from .responses import json_response

IMPORT: Final = "import"
"""Stands in the session facts for listener and bind path."""
_UNCLEAN: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Importing:
    """The handler; `size_limit` is how many bytes a message may have, `node` takes it."""

    def __init__(self, store: MessageStore, *, size_limit: int, node: str | None) -> None:
        self._store = store
        self._node = node
        self._size_limit = size_limit

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [Route("/api/bindpost/v1/import", self.take, methods=["POST"])]

    async def take(self, request: Request) -> Response:
        """Keep the body as a message; answer with its row when it is durable."""
        given = request.query_params
        if unknown := sorted(given.keys() - {"sender", "recipient", "mailbox"}):
            refuse(f"{unknown[0][:40]!r} is no parameter; there are sender and recipient.")
        addresses = given.getlist("sender") + given.getlist("recipient")
        for address in addresses:
            if _UNCLEAN.search(address) or len(address) > derived.ADDRESS_LIMIT:
                refuse(f"{address[:40]!r} is no address: it is too long or has control characters.")
        raw = await read_body(request, limit=self._size_limit)
        if not raw:
            refuse("Nothing was imported: the body, which is the message, is empty.")
        return await self._keep(request, raw)

    async def _keep(self, request: Request, raw: bytes) -> Response:
        sender = request.query_params.get("sender")
        recipients = request.query_params.getlist("recipient")
        parts: list[EnvelopePart] = []
        if sender is None:
            sender = derived.reverse_path(raw)
            parts.append("reverse_path")
        if not recipients:
            recipients = list(derived.recipients(raw))
            parts.append("recipients")
        now = utc_now()
        client = request.client
        facts = SessionFacts(
            session_id=new_id(),
            started=now,
            listener=IMPORT,
            via=IMPORT,
            personality="",
            peer=f"{client.host}:{client.port}" if client is not None else None,
            derived=tuple(parts),
            node=self._node,
        )
        envelope = Envelope(sender, tuple(Recipient(address) for address in recipients))
        note = TranscriptLine(0, "-", _note(len(raw), parts))
        row = await self._store.add(Message(new_id(), now, envelope, facts, raw), (note,))
        return json_response(objects.row(row), 201)


def _note(size: int, parts: list[EnvelopePart]) -> str:
    names = {"reverse_path": "sender", "recipients": "recipients"}
    text = f"imported, {size} octets"
    if parts:
        text += f"; {' and '.join(names[part] for part in parts)} taken from the header"
    return text
