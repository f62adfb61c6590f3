"""Starts bindpost as its own process, as users do, and talks to it from outside."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

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


SelfTest = Callable[..., Awaitable[tuple[int, list[dict[str, Any]]]]]


@pytest.fixture
def self_test(tmp_path: Path) -> SelfTest:
    """Run `bindpost check --self-test`; gives the exit status and its result, one a listener."""

    async def run(*arguments: str, **environment: str) -> tuple[int, list[dict[str, Any]]]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bindpost", "check", "--self-test", "--json", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=tmp_path,
            env={**os.environ, **environment},
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        assert b"Traceback" not in err, err.decode()
        return process.returncode, json.loads(out)

    return run
