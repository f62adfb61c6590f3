"""
Fixtures for some of the tests only: whoever imports one has it.

`from ..fixtures import quiet_home as quiet_home` in a file of tests, or in a folder's conftest.py.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.server.store.memory import MemoryStore
from bindpost.server.web.app import create_app
from bindpost.server.web.server import WebServer

from .clock import Clock, moved_by_hand


@pytest.fixture(name="anyio_backend", params=[False, True], ids=["asyncio", "uvloop"])
def both_loops(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run every test on both loops."""
    if request.param:
        pytest.importorskip("uvloop")
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(name="clock")
async def clock_of_the_loop() -> AsyncIterator[Clock]:
    """Give the clock of the test's loop, for limits that are to be met, or not, without waiting."""
    with moved_by_hand() as clock:
        yield clock


@pytest.fixture(autouse=True)
def quiet_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user who runs the tests is used: no key, no agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture(name="store")
async def memory_store() -> AsyncIterator[MemoryStore]:
    """Give an empty store."""
    store = MemoryStore()
    yield store
    await store.close()


@pytest.fixture(name="server")
async def web_server(store: MemoryStore) -> AsyncIterator[WebServer]:
    """Give a web side over the store `store`."""
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(create_app(store, ready=lambda: True, version="1"))
    yield server
    await server.stop()


@pytest.fixture
def trusting() -> ssl.SSLContext:
    """Give a client's TLS context that takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
