"""
aiosmtplib's own tests, which its source distribution brings along, run against our sessions.

What fails against aiosmtpd, their own server, in this environment is no fault of ours and is left
out; what fails only against ours is named here, with the reason.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Final

import pytest

from . import published

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
HERE: Final = Path(__file__).parent / "aiosmtplib_suite"

BOTH: Final = {
    # AUTH is offered without TLS, as a real IMS did; the test wants it refused.
    "tests/test_auth_methods.py::test_login_without_starttls_exception",
    # Puts another function into aiosmtpd's handler, and our sessions have no handler.
    "tests/test_commands.py::test_data_complete_error",
    # Puts another coroutine in the session's place, which says half a reply; ours says whole ones.
    "tests/test_timeouts.py::test_timeout_on_initial_read",
}
FAST: Final = {
    # Put another coroutine in the place of aiosmtpd's loop; here the banner has gone out before it.
    "tests/test_connect.py::test_bad_connect_response_raises_error",
    "tests/test_connect.py::test_eof_on_connect_raises_connect_error",
    "tests/test_connect.py::test_close_on_connect_raises_connect_error",
}
DIFFERENT: Final = {"stock": BOTH, "fast": BOTH | FAST}
"""What fails by what the test does to its server, by engine (docs/limits.md)."""


def _failing(engine: str, tests: Collection[str] = ()) -> tuple[set[str], int]:
    """Run the suite, or some of it, against a server; gives what fails, and how many were run."""
    source, needs = published.aiosmtplib_suite()
    off = ("randomly", "cacheprovider", "anyio", "bindpost", "schemathesis")
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "our_server", "-q", "-rfE", "--tb", "no"),
            *(f"-pno:{plugin}" for plugin in off),
            *("--timeout", "30", *sorted(tests)),
        ],
        cwd=source,
        env={**os.environ, "PYTHONPATH": f"{needs}{os.pathsep}{HERE}", "ENGINE": engine},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    failing = re.findall(r"^(?:FAILED|ERROR) (.*?)(?: - .*)?$", ended.stdout, re.MULTILINE)
    counts = re.findall(r"(\d+) (?:passed|failed|errors?)\b", ended.stdout.splitlines()[-1])
    assert counts, ended.stdout + ended.stderr
    return set(failing), sum(map(int, counts))


@pytest.fixture(scope="module")
def baseline() -> tuple[set[str], int]:
    """Give what fails against aiosmtpd itself, and how many tests there are."""
    return _failing("")


@pytest.mark.parametrize("engine", DIFFERENT)
def test_aiosmtplib_passes_its_own_tests_against_us(
    engine: str, baseline: tuple[set[str], int]
) -> None:
    """No test fails that does not fail against aiosmtpd, but for what is named here."""
    without, number = baseline
    failing, as_many = _failing(engine)

    assert as_many == number > 400
    assert failing >= DIFFERENT[engine], "what no longer differs need not be named"
    unexpected = failing - without - DIFFERENT[engine]
    if unexpected:  # its client waits for a second only: on a busy machine, once more alone
        unexpected &= _failing(engine, unexpected)[0]
    assert unexpected == set()
