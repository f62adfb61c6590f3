"""Installs published clients, and the tests that one brings along, once, into .cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
CLIENTS: Final = Path(__file__).parent / "clients"
CACHE: Final = ROOT / ".cache" / "clients"
PATIENCE: Final = 200
"""Seconds for one install."""


def node_modules(npm: Path) -> Path:
    """Give a folder with the npm packages of constraints/clients-npm.json, exactly those."""
    wanted, pins = CLIENTS / "package.json", ROOT / "constraints" / "clients-npm.json"

    def install(folder: Path) -> None:
        shutil.copy(wanted, folder)
        shutil.copy(pins, folder / "package-lock.json")  # npm's own form and name of it
        # Cypress itself, a peer that cypress-mailpit wants, stays out: it is a browser.
        options = ("--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund")
        _run([npm, "ci", *options], folder)

    return _installed("node", [wanted, pins], install) / "node_modules"


def python() -> Path:
    """Give the Python of an environment that has the PyPI packages of constraints/clients.txt."""
    pins = ROOT / "constraints" / "clients.txt"

    def install(folder: Path) -> None:
        _run([sys.executable, "-m", "venv", folder], ROOT)
        pip = (folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install")
        _run([*pip, "--quiet", "--require-hashes", "-r", pins], ROOT)

    return _installed(f"python{sys.version_info[1]}", [pins], install) / "bin" / "python"


def aiosmtplib_suite() -> tuple[Path, Path]:
    """
    Give aiosmtplib's own source distribution, unpacked, and a folder with what its tests need.

    Both are what constraints/suites.txt pins; the folder stands before others in PYTHONPATH.
    """
    pins = ROOT / "constraints" / "suites.txt"

    def install(folder: Path) -> None:
        needs, pip = folder / "needs", (sys.executable, "-m", "pip", "--disable-pip-version-check")
        exactly = ("--quiet", "--no-deps", "--require-hashes", "-r")
        _run([*pip, "install", "--target", needs, *exactly, pins], ROOT)
        wanted = folder / "wanted.txt"
        wanted.write_text(_pin_of("aiosmtplib", pins), "utf-8")
        source = ("--no-binary", ":all:", "--no-build-isolation", "--dest", folder)
        _run([*pip, "download", *source, *exactly, wanted], ROOT, PYTHONPATH=str(needs))
        (archive,) = folder.glob("aiosmtplib-*.tar.gz")
        _run(["tar", "-xzf", archive], folder)  # CPython 3.11.2's tarfile has no filter yet
        (folder / archive.name.removesuffix(".tar.gz")).rename(folder / "source")

    folder = _installed(f"aiosmtplib{sys.version_info[1]}", [pins], install)
    return folder / "source", folder / "needs"


def _pin_of(name: str, pins: Path) -> str:
    """Give one distribution's lines of a file of pins, its hashes among them."""
    text = pins.read_text("utf-8")
    start = text.index(f"\n{name}==") + 1
    return text[start : text.index("    #", start)]


def _installed(name: str, inputs: Sequence[Path], install: Callable[[Path], None]) -> Path:
    """Give the folder that was installed from these files, installing it if there is none."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()[:16]
    folder = CACHE / f"{name}-{digest}"
    done = folder / ".installed"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            install(folder)
            done.touch()
    return folder


def _run(command: Sequence[str | Path], folder: Path, **env: str) -> None:
    """Run an installer; where it can't, the test is skipped by what it said (in CI, failed)."""
    ended = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=os.environ | env,
    )
    if ended.returncode != 0:
        pytest.skip(f"{Path(command[0]).name} could not install the clients: {ended.stderr[-300:]}")


def run(command: Sequence[str | Path], **env: str) -> str:
    """Run a client to its end; its failure is the test's. Gives what it said."""
    with tempfile.TemporaryDirectory() as empty:  # no settings of ours, no .netrc of theirs
        ended = subprocess.run(
            command,
            cwd=empty,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | env,
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
