"""Mailpit's REST API: sending, which puts a message into the inbox as SMTP would."""

from __future__ import annotations

import asyncio
import base64
from typing import Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..activity import Activity
from ..message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    TranscriptLine,
    new_id,
    utc_now,
)
from ..store.store import MessageStore
from .composing import Draft, compose
from .requests import decode_object, read_body
from .responses import json_response

LISTENER: Final = "http"
"""Where the session of such a message says that it came in."""


class _Sent(msgspec.Struct, rename="upper"):
    """The answer to a message that was sent."""

    id: str


class _Failed(msgspec.Struct, rename="pascal"):
    """The answer to one that was not."""

    error: str


class MailpitSend:
    """
    The handler; `limit` is how many bytes a message may have, and a body that brings one.

    `node` is the node that takes the message.
    """

    def __init__(
        self, store: MessageStore, activity: Activity, *, limit: int, node: str | None
    ) -> None:
        self._store = store
        self._activity = activity
        self._node = node
        self._limit = limit

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [Route("/api/v1/send", self.send, methods=["POST"])]

    async def send(self, request: Request) -> Response:
        """Build the message, keep it, and answer with its id."""
        try:
            body = await read_body(request, limit=self._limit)
            message = await asyncio.to_thread(self._message, request, body)
        except HTTPException as error:
            return _refused(error.detail, error.status_code)
        except ValueError as error:
            return _refused(str(error), 400)
        said = TranscriptLine(0, "-", f"{len(message.raw)} octets by POST /api/v1/send")
        await self._store.add(message, (said,))
        self._activity.compose()
        return json_response(_Sent(message.id))

    def _message(self, request: Request, body: bytes) -> Message:
        draft = decode_object(body, Draft, verbatim=("headers",))
        now = utc_now()
        raw = compose(draft, now)
        if len(raw) > self._limit:
            raise ValueError(f"the message is larger than {self._limit} bytes")
        client = request.client
        return Message(
            id=new_id(),
            received=now,
            envelope=Envelope(draft.from_.email, tuple(map(Recipient, draft.recipients))),
            session=SessionFacts(
                session_id=new_id(),
                started=now,
                listener=LISTENER,
                via="direct:",
                personality="",
                peer=f"{client.host}:{client.port}" if client else None,
                login=_login(request),
                node=self._node,
            ),
            raw=raw,
        )


def _refused(text: str, status: int) -> Response:
    response = json_response(_Failed(text))
    response.status_code = status
    return response


def _login(request: Request) -> str | None:
    """Give the name of a Basic login (RFC 7617), which nobody checks here."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name = base64.b64decode(credentials).decode("utf-8").partition(":")[0]
    except ValueError:
        return None
    return name[:200] if name.isprintable() else None
