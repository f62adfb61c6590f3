"""
Fixtures for some of the tests only: whoever imports one has it.

`from ..fixtures import quiet_home as quiet_home` in a file of tests, or in a folder's conftest.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(name="anyio_backend", params=[False, True], ids=["asyncio", "uvloop"])
def both_loops(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run every test on both loops."""
    if request.param:
        pytest.importorskip("uvloop")
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(autouse=True)
def quiet_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user who runs the tests is used: no key, no agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
