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
DIFFERENT = {"TestSMTP::test_data_354"}
"""Ends sessions by cancelling all tasks, and a waiting session is none (docs/limits.md)."""


def _run(engine: str, file: Path, folder: Path, unshare: Path) -> subprocess.Popen[str]:
    """Run a file of the suite over an engine."""
    command = [
        *(sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(TESTS)),
        *("-p", "pytest_mock", "-p", "fast_engine", "-q", "-rfE", "--tb", "native"),
        *(f"-pno:{plugin}" for plugin in ("randomly", "cacheprovider", "anyio", "bindpost")),
        *("-pno:schemathesis", "--timeout", "30", str(file)),
    ]
    # Its tests listen on a fixed port, so they have a network of their own.
    own_network = [str(unshare), "--net", "sh", "-c", 'ip link set lo up && exec "$0" "$@"']
    return subprocess.Popen(
        [*own_network, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE), "ENGINE": engine},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _outcome(run: subprocess.Popen[str]) -> tuple[set[str], int]:
    """Give what fails in a run, and how many passed."""
    said, _ = run.communicate()
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None, said
    return set(re.findall(r"^(?:FAILED|ERROR) \S*?::(\S+)", said, re.MULTILINE)), int(passed[1])


@pytest.mark.parametrize("file", sorted(TESTS.glob("test_*.py")), ids=lambda path: path.stem)
def test_aiosmtpd_passes_its_own_tests_on_the_fast_engine(
    file: Path, tmp_path: Path, program: Callable[[str], Path]
) -> None:
    """No test fails that does not fail over aiosmtpd itself, but for what is named here."""
    if os.geteuid() != 0:
        pytest.skip("unshare needs root for a network of its own")
    unshare = program("unshare")
    runs = [_run(engine, file, tmp_path, unshare) for engine in ("stock", "fast")]
    (without, baseline), (failing, passed) = map(_outcome, runs)

    assert failing - without <= DIFFERENT
    assert passed >= baseline - len(DIFFERENT)


def test_aiosmtpd_has_tests() -> None:
    """The wheel brings them along."""
    assert {"test_smtp.py", "test_starttls.py"} <= {file.name for file in TESTS.glob("test_*.py")}
