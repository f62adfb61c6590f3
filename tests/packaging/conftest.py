"""What the packaging tests look at: the checkout, its pyproject.toml, its tracked files."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Give the folder that pyproject.toml is in."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def project(checkout: Path) -> dict[str, Any]:
    """Give pyproject.toml."""
    return tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def tracked_files(checkout: Path, program: Callable[[str], Path]) -> list[str]:
    """Give the files under version control that are there, relative to the checkout."""
    if not (checkout / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run(
        [program("git"), "ls-files", "-z"], cwd=checkout, check=True, capture_output=True, text=True
    ).stdout
    names = listing.rstrip("\0").split("\0")
    return [name for name in names if (checkout / name).exists()]


@pytest.fixture(scope="module")
def installed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Install the package `EXAMPLE` of a file of tests; gives the environment that finds it."""
    folder = tmp_path_factory.mktemp("example")
    source = shutil.copytree(request.module.EXAMPLE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    _run(*pip, "--target", str(folder / "site"), str(source), cwd=folder)
    return {"PYTHONPATH": str(folder / "site"), "TMPDIR": str(folder)}


@pytest.fixture(scope="session")
def fresh_python(
    checkout: Path, tracked_files: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """
    Give the Python of a virtual environment that our wheel is installed in, built just now.

    The dependencies are those of the environment that the tests run in, by a path; its editable
    bindpost isn't found by that, for it hangs on a hook of its own.
    """
    folder = tmp_path_factory.mktemp("fresh")
    source = folder / "source"
    for name in tracked_files:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(checkout / name, source / name, follow_symlinks=False)
    build = "import setuptools.build_meta, sys; setuptools.build_meta.build_wheel(sys.argv[1])"
    _run(sys.executable, "-c", build, str(folder), cwd=source)
    (wheel,) = folder.glob("*.whl")
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder / "venv"), cwd=folder)
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--no-input"]
    _run(*pip, "install", "--no-deps", "--no-index", str(wheel), cwd=folder)
    site = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(_run(str(python), "-c", site, cwd=folder).strip())
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def _run(*command: str, cwd: Path) -> str:
    """Run a command; gives its output, or fails with it."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
