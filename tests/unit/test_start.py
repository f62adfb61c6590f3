"""What a start imports: nothing that the settings don't ask for."""

from __future__ import annotations

import subprocess
import sys

import pytest

ALWAYS = "import bindpost.cli.serve, bindpost.server.app"


@pytest.mark.parametrize(
    ("absent", "why"),
    [
        ("bindpost.server.relay", "there is no relay by default"),
        ("bindpost.server.webhook", "there is no webhook by default"),
        ("bindpost.server.pop3", "POP3 is off by default"),
        ("bindpost.server.lab", "scenarios run by command"),
        ("bindpost.server.eventlog.evt", "a log file is written when somebody asks for one"),
        ("bindpost.server.eventlog.evtx", "a log file is written when somebody asks for one"),
        ("bindpost.server.web.app", "`web` may be off"),
        ("importlib.metadata", "only a bind path that isn't built in is looked for in plug-ins"),
        ("asyncssh", "only an ssh path needs it"),
    ],
)
def test_a_start_imports_nothing_that_was_not_asked_for(
    imported_at_start: frozenset[str], absent: str, why: str
) -> None:
    """Serving with the defaults does not import what only other settings need."""
    assert absent not in imported_at_start, why


def test_what_a_start_needs_is_seen_to_be_imported(imported_at_start: frozenset[str]) -> None:
    """The list of imports is a real one: what every start needs is in it."""
    assert {"bindpost.server.smtp.protocol", "bindpost.server.store"} <= imported_at_start


@pytest.fixture(scope="module")
def imported_at_start() -> frozenset[str]:
    """Give the names of all modules that a fresh interpreter has after the imports of a start."""
    code = f"{ALWAYS}; import sys; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    return frozenset(done.stdout.split())
