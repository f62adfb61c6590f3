"""When to try again to bind a lost port (pure: it neither waits nor looks at a clock)."""

from __future__ import annotations

from .settings import Timing


class Attempts:
    """
    The attempts to bind again.

    The pauses grow from attempt to attempt, and go on growing from loss to loss unless the port was
    bound for a while in between: a login that is lost as soon as it is there is not made twenty
    times a second.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._made = 0
        self._refused = False
        self._told = ""
        self._taken_since: float | None = None

    def lost(self, after: float) -> None:
        """Begin with another loss, that of a port which was bound for some seconds."""
        if after >= self._timing.slow:
            self._made = 0
        self._refused = False
        self._told = ""
        self._taken_since = None

    def pause(self) -> float:
        """Give the seconds to wait before the next attempt, which counts as made."""
        pauses = self._timing.pauses
        pause = pauses[min(self._made, len(pauses) - 1)]
        self._made += 1
        return max(pause, self._timing.slow) if self._refused else pause

    def failed(self, error: str, *, refused: bool) -> bool:
        """Note a failure; True if its cause is another than the last one's."""
        self._refused = refused
        news, self._told = error != self._told, error
        return news

    def taken(self, now: float) -> bool:
        """Note that the port is taken; True once that has lasted longer than a lost login does."""
        if self._taken_since is None:
            self._taken_since = now
        return now - self._taken_since >= self._timing.held
