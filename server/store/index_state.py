"""How far the search index is, for whoever shows it."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec


class IndexState(msgspec.Struct, frozen=True, kw_only=True):
    """
    The search index beside the inbox.

    `state` is `current`; `behind` when messages are not in it yet, which a search reads one by one;
    `failed` when it isn't being made just now, for a `reason`; `none` when there will be none, for
    a `reason`. `indexed` messages are in it, `messages_behind` are not; the oldest of those was
    received `seconds_behind` ago.
    """

    state: Literal["current", "behind", "failed", "none"]
    reason: str = ""
    indexed: int = 0
    messages_behind: int = 0
    seconds_behind: float = 0.0


class TellsIndex(Protocol):
    """Whoever knows the state of the index."""

    async def state(self) -> IndexState:
        """Give it as it is now."""
        ...
