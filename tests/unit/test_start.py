"""What is imported until SMTP greets: nothing of the web side, nor what no setting asks for."""

from __future__ import annotations

import subprocess
import sys

import pytest

START = """
import asyncio, pathlib, sys
import bindpost.cli.serve
from bindpost.config.model import Listener, Settings
from bindpost.server.app import Bindpost

async def start(folder):
    settings = Settings(listener=(Listener("127.0.0.1:0"),), web="off", data="data")
    async with Bindpost(settings, folder=folder):
        print(*sys.modules, sep="\\n")

asyncio.run(start(pathlib.Path(sys.argv[1])))
"""


@pytest.mark.parametrize(
    ("absent", "why"),
    [
        ("bindpost.server.relay", "there is no relay by default"),
        ("bindpost.server.webhook", "there is no webhook by default"),
        ("bindpost.server.pop3", "POP3 is off by default"),
        ("bindpost.server.lab", "scenarios run by command"),
        ("bindpost.server.eventlog.evt", "a log file is written when somebody asks for one"),
        ("bindpost.server.eventlog.evtx", "a log file is written when somebody asks for one"),
        ("bindpost.server.laboratory", "only the web side runs scenarios"),
        ("bindpost.server.overview", "only the web side asks for it"),
        ("bindpost.server.web.app", "SMTP greets before the web side is imported"),
        ("bindpost.server.web.http", "SMTP greets before the web side is imported"),
        ("starlette", "SMTP greets before the web side is imported"),
        ("uvicorn", "SMTP greets before the web side is imported"),
        ("jinja2", "SMTP greets before the web side is imported"),
        ("anyio", "only the web side needs it"),
        ("h11", "only the web side needs it"),
        ("http.client", "only the web side and commands speak HTTP"),
        ("bindpost.config.scenario_file", "there are no scenarios of the user's own by default"),
        ("bindpost.proxy.haproxy.codec", "no load balancer is expected by default"),
        ("cryptography", "there is no TLS by default"),
        ("importlib.metadata", "only a bind path that isn't built in is looked for in plug-ins"),
        ("asyncssh", "only an ssh path needs it"),
    ],
)
def test_a_start_imports_nothing_that_was_not_asked_for(
    imported_at_start: frozenset[str], absent: str, why: str
) -> None:
    """Taking mail with the defaults does not import what only pages or other settings need."""
    assert absent not in imported_at_start, why


def test_what_a_start_needs_is_seen_to_be_imported(imported_at_start: frozenset[str]) -> None:
    """The list of imports is a real one: what every start needs is in it."""
    assert {"bindpost.server.smtp.protocol", "bindpost.server.store"} <= imported_at_start


@pytest.fixture(scope="module")
def imported_at_start(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """Give the names of all modules that a fresh interpreter has once it takes mail."""
    folder = tmp_path_factory.mktemp("start")
    done = subprocess.run(
        [sys.executable, "-I", "-c", START, folder], capture_output=True, text=True, check=True
    )
    return frozenset(done.stdout.split())
