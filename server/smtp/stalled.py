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

    def __init__(self, before: Any) -> None:
        """Take the place of another protocol, which is still told what becomes of the transport."""
        self._before = before

    def pause_writing(self) -> None:
        """Tell the other."""
        self._before.pause_writing()

    def resume_writing(self) -> None:
        """Tell the other."""
        self._before.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the other, so that its session ends."""
        self._before.connection_lost(error)
