"""Rows of the matrices that need a machine of their own: no route, no descriptor, no IPv6."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bindpost.proxy.troubleshooting import paths

SCRIPT = Path(__file__).with_name("own_network.py")
LINES = {(path.name.split()[0], line.key): line for path in paths() for line in path.lines}
meets = pytest.mark.meets


@pytest.fixture
def meet(program: Callable[[str], Path]) -> Callable[[str], dict[str, Any]]:
    """Run a scenario of own_network.py in a network namespace; gives the error of its bind."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    unshare = program("unshare")
    program("setpriv")

    def run(scenario: str) -> dict[str, Any]:
        command = [str(unshare), "--net", sys.executable, str(SCRIPT), scenario]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
        assert done.returncode == 0, done.stderr
        error: dict[str, Any] = json.loads(done.stdout)
        return error

    return run


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        pytest.param("direct_forbidden", "Permission denied", marks=meets("direct:", "forbidden")),
        pytest.param("direct_no_family", "Address family not", marks=meets("direct:", "no-family")),
        pytest.param(
            "socks_unreachable", "WSAENETUNREACH)", marks=meets("socks5://", "unreachable")
        ),
        pytest.param("socks_vanished", "WSAETIMEDOUT)", marks=meets("socks5://", "vanished")),
        pytest.param(
            "socks_out_of_resources",
            "Too many open files",
            marks=meets("socks5://", "out-of-resources"),
        ),
        pytest.param("socks_other", "WSAEADDRNOTAVAIL)", marks=meets("socks5://", "other")),
        pytest.param("ssh_unreachable", "(WSAENETUNREACH", marks=meets("ssh://", "unreachable")),
    ],
)
def test_row(
    request: pytest.FixtureRequest,
    meet: Callable[[str], dict[str, Any]],
    scenario: str,
    reason: str,
) -> None:
    """The error is what docs/troubleshooting.md says of its row."""
    (mark,) = request.node.iter_markers("meets")
    line = LINES[mark.args]
    error = meet(scenario)

    assert error["hop"] in line.hop.split(", ") or line.hop == "any"
    assert error["code"] == int(line.code)
    assert reason in error["detail"]
    assert error["hint"] == line.hint.replace("HOST", "192.0.2.1")


@meets("direct:", "other")
def test_a_machine_without_descriptors(meet: Callable[[str], dict[str, Any]]) -> None:
    """What no row of its own has gets the code that stands for it, and the general advice."""
    error = meet("direct_other")

    assert error["code"] == 10024
    assert error["hint"] == LINES["direct:", "other"].hint
