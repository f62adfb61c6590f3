"""
aiosmtpd's own tests, which its wheel brings along, run over the fast engine as they do over itself.

What fails over aiosmtpd itself, in this environment, is no fault of the engine's and is left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import aiosmtpd
import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
HERE = Path(__file__).parent / "aiosmtpd_suite"
TESTS = Path(aiosmtpd.__file__).parent / "tests"
DIFFERENT = {"test_smtp.py::TestSMTP::test_data_354"}
"""Ends sessions by cancelling all tasks, and a waiting session is none (docs/limits.md)."""


def _failing(engine: str, folder: Path, unshare: Path) -> tuple[set[str], int]:
    """Run the suite over an engine; gives what fails, and how many passed."""
    command = [
        *(sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(folder)),
        *("-p", "pytest_mock", "-p", "fast_engine", "-q", "-rfE", "--tb", "native"),
        *(f"-pno:{plugin}" for plugin in ("randomly", "cacheprovider", "anyio", "bindpost")),
        *("-pno:schemathesis", "--timeout", "30", str(TESTS)),
    ]
    # Its tests listen on a fixed port, so they have a network of their own.
    own_network = [str(unshare), "--net", "sh", "-c", 'ip link set lo up && exec "$0" "$@"']
    done = subprocess.run(
        [*own_network, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE), "ENGINE": engine},
        capture_output=True,
        text=True,
        check=False,
    )
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout + done.stderr
    failing = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return set(failing), int(passed[1])


def test_aiosmtpd_passes_its_own_tests_on_the_fast_engine(
    tmp_path: Path, program: Callable[[str], Path]
) -> None:
    """No test fails that does not fail over aiosmtpd itself, but for what is named here."""
    if os.geteuid() != 0:
        pytest.skip("unshare needs root for a network of its own")
    unshare = program("unshare")
    without, baseline = _failing("stock", tmp_path, unshare)
    failing, passed = _failing("fast", tmp_path, unshare)

    assert failing - without <= DIFFERENT
    assert passed >= baseline - len(DIFFERENT)
    assert baseline > 500
