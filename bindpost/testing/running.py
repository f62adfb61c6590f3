"""A server that runs elsewhere, by its API."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Iterator
from typing import NoReturn, final
from urllib.parse import urlsplit

from ..client import Client, MessageNotFoundError
from ..config.endpoint import Endpoint
from ..errors import BindpostError
from ..objects import FullMessage, MessageSummary, Wanted
from .mailserver import MailServer


class NoEventsError(BindpostError):
    """The events of a server that runs elsewhere can't be seen from a test."""


def connect(url: str) -> MailServer:
    """
    Give the server at `url` for a test: only what comes from now on is seen.

    Raises `ServerUnreachableError`.
    """
    server = MailServer(Running(url))
    server.begin()
    return server


@final
class Running:
    """The `Backing` of a `MailServer` that is not in this process."""

    def __init__(self, url: str) -> None:
        self._client = Client(url)

    @property
    def settings(self) -> None:
        """None: they are not told."""

    @property
    def web(self) -> str:
        """The URL of its web side."""
        return self._client.url

    @property
    def events(self) -> NoReturn:
        """Nothing: raises `NoEventsError`."""
        raise NoEventsError(
            f"the events of {self.web} can't be seen from a test: use the fixture `bindpost`, "
            "whose server is in this process"
        )

    def forget_events(self) -> None:
        """Do nothing."""

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
