"""Hears from PostgreSQL that other nodes have changed the inbox."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, final

import psycopg
from psycopg import AsyncConnection, sql

from bindpost.errors import StoreError

from .postgres_connection import Server, limited

_LOOK: Final = 10.0
"""
Seconds after which it is looked whether something was missed.

A notification is a hint, that saves the waiting: what has changed is read by its number.
"""
_PAUSE: Final = 1.0
"""Seconds until a connection that was lost is made anew."""
_AGAIN: Final = 0.1


@final
class Listener:
    """
    Listens on a channel, and calls `catch_up` at the first moment and after each notification.

    `is_news` says of a notification's text whether it tells anything new; anybody may have sent it.
    Listens from the moment it is made, on the loop that runs then, until `close`.
    """

    def __init__(
        self,
        server: Server,
        channel: str,
        *,
        is_news: Callable[[str], bool],
        catch_up: Callable[[], Awaitable[None]],
    ) -> None:
        self._server = server
        self._channel = channel
        self._is_news = is_news
        self._catch_up = catch_up
        self._listening = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Listen no more."""
        while not self._listening.done():
            # Once may not be enough: asyncio.wait_for loses a cancellation before Python 3.12.
            self._listening.cancel()
            await asyncio.wait([self._listening], timeout=_AGAIN)

    async def _run(self) -> None:
        """Listen, over a new connection whenever one was lost."""
        while True:
            try:
                await self._listen()
            except (psycopg.Error, StoreError):
                await asyncio.sleep(_PAUSE)

    async def _listen(self) -> None:
        connection = await AsyncConnection.connect(self._server.conninfo, autocommit=True)
        async with connection:
            with limited(connection, self._server.patience):
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._channel)))
            while True:
                await self._catch_up()
                async for notification in connection.notifies(timeout=_LOOK):
                    if self._is_news(notification.payload):
                        await self._catch_up()
