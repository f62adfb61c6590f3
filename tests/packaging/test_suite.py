"""The test suite itself: in CI nothing is skipped, in one process and in several."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = {
    "test_module.py": "import pytest\npytest.skip('no program', allow_module_level=True)\n",
    "test_one.py": "import pytest\ndef test_one(): pytest.skip('no program')\n",
    "test_other.py": "import pytest\n@pytest.mark.xfail\ndef test_other(): assert False\n",
}


@pytest.mark.parametrize("ci", ["true", ""])
def test_in_ci_a_skip_is_a_failure(ci: str, checkout: Path, tmp_path: Path) -> None:
    """A worker of a parallel run fails for a skipped test and for a skipped module, in CI only."""
    shutil.copy(checkout / "tests" / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").touch()
    for name, text in SKIPS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "xdist", "-n", "1", "-rfE"],
        cwd=tmp_path,
        env=os.environ | {"CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )

    if ci:
        assert done.returncode == 1, done.stdout + done.stderr
        assert "ERROR test_module.py" in done.stdout
        assert "FAILED test_one.py::test_one" in done.stdout
        assert "1 failed, 1 xfailed, 1 error" in done.stdout
    else:
        assert done.returncode == 0, done.stdout + done.stderr
