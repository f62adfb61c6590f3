"""What a long command tells of how far it got."""

from __future__ import annotations

import io

from bindpost.cli.progress import Progress


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


def test_lines_now_and_then() -> None:
    """A file gets a line every ten seconds, with messages, bytes and rate."""
    stream, clock = io.StringIO(), Clock()
    with Progress("Exporting", 20_000, stream=stream, clock=clock) as progress:
        for second in range(25):
            clock.now = 100.0 + second
            progress.step(1_000_000, 600)

    assert stream.getvalue().splitlines() == [
        "Exporting: 6,600 of 20,000 messages, 11.0 MB, 660 a second",
        "Exporting: 12,600 of 20,000 messages, 21.0 MB, 630 a second",
    ]


def test_a_terminal_has_one_line() -> None:
    """It is written over again and again, and is gone at the end."""
    stream, clock = Terminal(), Clock()
    with Progress("Importing", stream=stream, clock=clock) as progress:
        for tenth in range(6):
            clock.now = 100.0 + tenth / 10
            progress.step(0)

    assert stream.getvalue().count("\r\x1b[K") == 2 + 1
    assert "Importing: 3 messages, 0.0 MB" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_what_is_quick_tells_nothing() -> None:
    """Nothing is written within the first seconds."""
    stream = io.StringIO()
    with Progress("Exporting", 1, stream=stream, clock=Clock()) as progress:
        progress.step(10)

    assert stream.getvalue() == ""
