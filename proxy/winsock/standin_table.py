"""The sessions of a stand-in server: bounded in number and in time of silence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from ..background import Background
from .standin_session import Session
from .wire import Address

SESSIONS: Final = 64
"""Sessions at once, unless told otherwise."""


class SessionTable:
    """
    The sessions by the addresses of their clients.

    There are at most `limit`. When the table is full the one that has been silent longest makes
    room, unless it holds a port: who has bound something is not driven out by strangers. A client
    that says nothing for `idle_after` seconds is forgotten.
    """

    def __init__(self, limit: int, idle_after: float) -> None:
        self._limit = limit
        self._idle_after = idle_after
        self._loop = asyncio.get_running_loop()
        self._sessions: dict[Address, Session] = {}  # silent longest first
        self._timers: dict[Address, asyncio.TimerHandle] = {}
        self._ended = Background()
        self._idle = asyncio.Event()
        self._idle.set()

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def get(self, client: Address) -> Session | None:
        """Give a client's session."""
        return self._sessions.get(client)

    def add(self, session: Session) -> bool:
        """Take a session in place of its client's earlier one; False if there is no room."""
        self.end(session.client)
        if len(self._sessions) >= self._limit and not self._make_room():
            return False
        self._idle.clear()
        self._sessions[session.client] = session
        self.heard(session)
        return True

    def heard(self, session: Session) -> None:
        """Note that its client has said something."""
        client = session.client
        self._sessions[client] = self._sessions.pop(client)
        if (timer := self._timers.get(client)) is not None:
            timer.cancel()
        self._timers[client] = self._loop.call_later(self._idle_after, self.end, client)

    def end(self, client: Address) -> None:
        """End a client's session, if there is one."""
        session = self._sessions.pop(client, None)
        if session is None:
            return
        self._timers.pop(client).cancel()
        session.end()
        self._ended.spawn(session.wait_ended())
        if not self._sessions:
            self._idle.set()

    def end_all(self) -> None:
        """End every session."""
        for client in list(self._sessions):
            self.end(client)

    async def idle(self) -> None:
        """Return when there is no session."""
        await self._idle.wait()

    async def wait_ended(self) -> None:
        """Return when nothing is left of the sessions that have ended."""
        await self._ended.join()

    def _make_room(self) -> bool:
        idlest = next((one for one in self._sessions.values() if one.bound is None), None)
        if idlest is not None:
            self.end(idlest.client)
        return idlest is not None
