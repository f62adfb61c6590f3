"""Stalled: what a transport talks to in the place of a session that says nothing more."""

from __future__ import annotations

import asyncio
from typing import Any


class Stalled(asyncio.Protocol):
    """
    Throws away what comes, and closes when the client ends its side.

    A session reads only what it can use. One that does nothing more would never come to the end of
    what its client has sent, and so never hear that it is gone.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def pause_writing(self) -> None:
        """Tell the session."""
        self._session.pause_writing()

    def resume_writing(self) -> None:
        """Tell the session."""
        self._session.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the session, which ends."""
        self._session.connection_lost(error)
