"""Mailboxes in bindpost's own API: which there are, and how much is in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..store.store import Counts
from .responses import json_response


class MailboxCounts(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox, and how much is in it; `size` is in bytes."""

    name: str
    total: int
    unread: int
    size: int


class MailboxList(msgspec.Struct, frozen=True, kw_only=True):
    """The mailboxes, by name."""

    mailboxes: list[MailboxCounts]


class Directory(Protocol):
    """Knows the mailboxes that somebody may see."""

    async def mailboxes(self) -> Mapping[str, Counts]:
        """Give the mailboxes with their counts, by name, in order."""
        ...


class MailboxRoutes:
    """The handler; `directory` knows what may be told."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def routes(self) -> list[Route]:
        """Give the route."""
        return [Route("/api/bindpost/v1/mailboxes", self.list_mailboxes)]

    async def list_mailboxes(self, _: Request) -> Response:
        """Answer with the mailboxes."""
        found = await self._directory.mailboxes()
        return json_response(
            MailboxList(
                mailboxes=[
                    MailboxCounts(
                        name=name, total=counts.total, unread=counts.unread, size=counts.size
                    )
                    for name, counts in found.items()
                ]
            )
        )
