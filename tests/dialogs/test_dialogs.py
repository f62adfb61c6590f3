"""Every dialogue file is played; a `.mail` file of the same name is the mail that must be kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.dialogs.conftest import Engine, Played

FILES = sorted(Path(__file__).parent.glob("*.smtp"))


@pytest.mark.parametrize("engine", ["fast", "stock"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_dialogue(
    path: Path, engine: Engine, play: Callable[[Path, Engine], Awaitable[Played]]
) -> None:
    """The server says what the file says, and keeps the mail that the file beside it holds."""
    expected = path.with_suffix(".mail")

    played = await play(path, engine)

    assert played.kept == ([expected.read_bytes()] if expected.exists() else [])


def test_there_are_dialogues() -> None:
    """The folder of dialogues isn't empty."""
    assert FILES
