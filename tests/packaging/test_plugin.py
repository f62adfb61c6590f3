"""The example plug-in of docs/, installed as users do, passes the suite and brings its path."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bindpost.testing import Serving

EXAMPLE = Path(__file__).parents[2] / "docs" / "plugin-example"


def test_it_passes_the_suite(installed: dict[str, str], tmp_path: Path) -> None:
    """Its own tests, the public suite among them, pass against the installed plug-in."""
    shutil.copy(EXAMPLE / "test_portfile.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nanyio_mode = auto\n")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | installed,
        cwd=tmp_path,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_its_path_is_listed(installed: dict[str, str]) -> None:
    """`bindpost plugins` names it."""
    done = subprocess.run(
        [sys.executable, "-m", "bindpost", "plugins", "--json"],
        capture_output=True,
        env=os.environ | installed,
        timeout=30,
        check=True,
    )

    assert {row["name"]: row["package"] for row in json.loads(done.stdout)} == {
        "portfile": "bindpost-portfile"
    }


def test_it_binds_the_service(installed: dict[str, str], tmp_path: Path) -> None:
    """`bindpost serve` binds through it, and the port is in its file."""
    file = tmp_path / "port"
    serving = Serving(
        [
            "--listen",
            "127.0.0.1:0",
            "--web",
            "off",
            "--data",
            ":memory:",
            "--via",
            f"portfile:{file}",
        ],
        folder=tmp_path,
        env=installed,
    )
    try:
        serving.wait_ready()

        assert serving.smtp[1] == int(file.read_text())
    finally:
        serving.cleanup()
    assert not serving.records[0].get("not-json")
