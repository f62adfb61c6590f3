"""Every dialogue file is played; a `.mail` file of the same name is the mail that must be kept."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

FILES = sorted(Path(__file__).parent.glob("*.smtp"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_dialogue(path: Path, play: Callable[[Path], Awaitable[list[bytes]]]) -> None:
    """The server says what the file says, and keeps the mail that the file beside it holds."""
    expected = path.with_suffix(".mail")

    kept = await play(path)

    assert kept == ([expected.read_bytes()] if expected.exists() else [])


def test_there_are_dialogues() -> None:
    """The folder of dialogues isn't empty."""
    assert FILES
