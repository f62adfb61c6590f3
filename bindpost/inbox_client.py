"""The part of the client that moves an inbox: it gives one as a file, and takes such a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from .errors import BindpostError
from .objects import Object

if TYPE_CHECKING:
    from .client import Client

_PATH: Final = "/api/bindpost/v1/inbox"
_REFUSED: Final = (400, 409, 413)
_SILENCE: Final = 60.0
"""Seconds that the server may take to read or keep a batch, beside those that an answer has."""


class InboxRefusedError(BindpostError):
    """The server would not take messages of an inbox file, and says why."""


class Listed(Object, frozen=True):
    """A message of a list, but for what is known of it; `size` is in bytes."""

    cursor: int
    id: str
    size: int


class Moved(Object, frozen=True):
    """How many messages were put in, and how many were there already."""

    imported: int
    there: int


class InboxClient:
    """
    The inbox of a running server as a whole; `Client.inbox` gives it.

    `which` are conditions by the names that `GET /api/bindpost/v1/messages` has for them. Each
    method raises what `Client` raises.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, limit: int = 0, **which: str | int | None) -> list[Listed]:
        """Give the newest messages, newest first; `limit` 0 means all."""
        return self._client._list_inbox(limit, which)

    def export(self, **which: str | int | None) -> Iterator[bytes]:
        """Give the messages that match as an inbox file, in pieces, the oldest message first."""
        return self._client._pieces(_PATH, which)

    def restore(self, data: bytes) -> Moved:
        """
        Put the messages of an inbox file into the inbox; when this returns, they are durable.

        Those that are there already are left alone. Raises `InboxRefusedError`. A file of some
        megabytes is taken at once; a larger one is better cut.
        """
        status, answer = self._client._ask("POST", _PATH, data, wait=_SILENCE, passing=_REFUSED)
        if status in _REFUSED:
            raise InboxRefusedError(answer.decode("utf-8", "replace"))
        return self._client._read(answer, Moved, _PATH)
