"""A server that runs elsewhere, by its API."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import Iterator
from typing import Final, final
from urllib.parse import urlsplit

from ..client import Client, MessageNotFoundError
from ..client.faults import FaultClient
from ..config.endpoint import Endpoint
from ..objects import Event, EventFilter, FullMessage, MessageSummary, Wanted
from .happened import Events, Which
from .mailserver import MailServer

_PAUSE: Final = 0.1
"""Seconds between two questions for events."""


def connect(url: str, *, mailbox: str | None = None) -> MailServer:
    """
    Give the server at `url` for a test: only what comes from now on is seen.

    With `mailbox` only what comes into that one. Raises `ServerUnreachableError`.
    """
    server = MailServer(Running(url, mailbox=mailbox))
    server.begin()
    return server


@final
class Running:
    """The `Backing` of a `MailServer` that is not in this process."""

    def __init__(self, url: str, *, mailbox: str | None = None) -> None:
        self._client = Client(url, mailbox=mailbox)
        self._events = Asked(self._client)

    @property
    def settings(self) -> None:
        """None: they are not told."""

    @property
    def web(self) -> str:
        """The URL of its web side."""
        return self._client.url

    @property
    def events(self) -> Asked:
        """Its events."""
        return self._events

    @property
    def faults(self) -> FaultClient:
        """What takes faults for it."""
        return self._client.faults

    def addresses(self) -> list[tuple[str, int]]:
        """Give where it takes mail now; where that is any address, the host that answers for it."""
        places = [
            Endpoint.parse(address)
            for listener in self._client.listeners()
            for address in listener.addresses
        ]
        return [(self._reachable(place.host), place.port) for place in places if not place.is_unix]

    def cursor(self) -> int:
        """Give the cursor of the newest message."""
        return next((message.cursor for message in self._client.messages(1)), 0)

    def summaries(self, after: int) -> list[MessageSummary]:
        """Give the messages behind a cursor, newest first."""
        return self._client.messages(0, after=after)

    def messages(self, after: int) -> list[FullMessage]:
        """Give the messages behind a cursor, oldest first."""
        return list(self._whole(reversed(self.summaries(after))))

    def wait(self, wanted: Wanted, *, after: int, timeout: float) -> FullMessage | None:
        """Wait for the first such message behind a cursor."""
        return self._client.wait_full(wanted, after=after, timeout=timeout)

    async def async_wait(
        self,
        wanted: Wanted,
        *,
        after: int,
        timeout: float,  # noqa: ASYNC109 - passed on
    ) -> FullMessage | None:
        """Wait in a thread; one that is cancelled ends with its time."""
        return await asyncio.to_thread(self.wait, wanted, after=after, timeout=timeout)

    def delete(self, after: int) -> None:
        """Delete the messages behind a cursor."""
        self._client.delete(message.id for message in self.summaries(after))

    def _whole(self, summaries: Iterator[MessageSummary]) -> Iterator[FullMessage]:
        for summary in summaries:
            with contextlib.suppress(MessageNotFoundError):  # deleted meanwhile
                yield self._client.full_message(summary.id)

    def _reachable(self, host: str) -> str:
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(host).is_unspecified:
                return urlsplit(self._client.url).hostname or "127.0.0.1"
        return host


@final
class Asked(Events):
    """The events of a server that runs elsewhere: it is asked, again and again while one waits."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._start = 0

    def clear(self) -> None:
        """Let what has been be no longer seen; the server keeps it."""
        newest = self._client.events(limit=1)
        self._start = newest[0].cursor if newest else 0

    def _all(self) -> list[Event]:
        found = self._client.events(EventFilter(after=self._start), limit=0)
        return found[::-1]

    def _wait(self, which: Which, seconds: float) -> Event | None:
        deadline = time.monotonic() + seconds
        while True:
            if found := next(filter(which.is_met_by, self._all()), None):
                return found
            if time.monotonic() >= deadline:
                return None
            time.sleep(_PAUSE)

    async def _async_wait(self, which: Which, seconds: float) -> Event | None:
        return await asyncio.to_thread(self._wait, which, seconds)
