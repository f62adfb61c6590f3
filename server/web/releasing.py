"""Releasing: the routes that give a message to the relay, bindpost's own and Mailpit's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..message.job import Job
from ..store.store import MessageRow, MessageStore
from .release_objects import Jobs, Release
from .requests import LATEST, decode_object, read_body, refuse, refuse_unknown, row_of
from .responses import json_response

OFF: Final = "Message relay is off: set relay.server to the server that takes released messages."


class Releases(Protocol):
    """What takes released messages."""

    @property
    def server(self) -> str:
        """Where they go, as HOST:PORT."""
        ...

    @property
    def allowed(self) -> Sequence[str]:
        """Patterns of the addresses that a release may name; none = any."""
        ...

    async def release(self, row: MessageRow, to: Sequence[str] | None) -> Job:
        """
        Queue a message for these addresses, None for its own recipients; give the job.

        Raises `ValueError` with a sentence for addresses that it can't go to.
        """
        ...

    async def jobs(self, message_id: str) -> Sequence[Job]:
        """Give the jobs of a message, newest first."""
        ...


class Releasing:
    """The handlers; without a relay they say that it is off."""

    def __init__(self, store: MessageStore, relay: Releases | None) -> None:
        self._store = store
        self._relay = relay

    def routes(self) -> list[Route]:
        """Give the routes."""
        own = "/api/bindpost/v1/messages/{id}/release"
        return [
            Route(own, self.jobs),
            Route(own, self.release, methods=["POST"]),
            Route("/api/v1/message/{id}/release", self.release_as_mailpit, methods=["POST"]),
        ]

    async def jobs(self, request: Request) -> Response:
        """Answer with the message's jobs: their states, and each recipient's own reply."""
        relay = self._relay or refuse(OFF)
        row = await row_of(self._store, request)
        return json_response(Jobs(await relay.jobs(row.id)))

    async def release(self, request: Request) -> Response:
        """Queue the message for the addresses given, or its own recipients; answer with the job."""
        relay = self._relay or refuse(OFF)
        row = await row_of(self._store, request)
        body = await read_body(request)
        return json_response(await _queue(relay, row, _addresses(body or b"{}")))

    async def release_as_mailpit(self, request: Request) -> Response:
        """Queue the message for the addresses given; answer `ok`."""
        relay = self._relay or refuse(OFF)
        if request.path_params["id"] == LATEST:
            refuse_unknown()
        row = await row_of(self._store, request)
        await _queue(relay, row, _addresses(await read_body(request)) or [])
        return PlainTextResponse("ok")


def _addresses(body: bytes) -> list[str] | None:
    try:
        return decode_object(body, Release).to
    except ValueError as error:
        refuse(f"Nothing was released: the body is not readable: {error}.")


async def _queue(relay: Releases, row: MessageRow, to: Sequence[str] | None) -> Job:
    try:
        return await relay.release(row, to)
    except ValueError as error:
        refuse(str(error))
