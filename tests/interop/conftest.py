"""Starts bindpost as its own process, as users do, and talks to it from outside."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bindpost.testing import Serve, Serving


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start `bindpost serve` on free ports; whatever still runs at the end is ended by its pid."""
    started: list[Serving] = []

    def start(*arguments: str, listen: str = "127.0.0.1:0", prefix: Sequence[str] = ()) -> Serving:
        defaults = ["--web", "127.0.0.1:0", "--data", str(tmp_path / "data")]
        if listen:
            defaults += ["--listen", listen]
        serving = Serving([*defaults, *arguments], folder=tmp_path, prefix=prefix)
        started.append(serving)
        return serving

    yield start
    for serving in started:
        serving.cleanup()
