"""
`scripts/serve` sets its environment up once, whole, and alone.

The real scripts run in a small checkout: its `bindpost` prints what it was given, its only pinned
dependency is a wheel in a folder, and pip is told to ask no index.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(240)
"""Virtual environments are made here, which takes a busy machine more than a minute."""

TOOLS = ("sh", "dirname", "cat", "cmp", "mkdir", "rm", "mv", "awk")
"""All that the scripts need beside Python."""

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "bindpost"
version = "1"
"""

BACKEND = '''\
"""A build backend that needs nothing: its editable wheel is a command that prints its call."""
import zipfile

SOURCE = "import json, os, sys, dependency\\ndef main(): print(json.dumps([os.getcwd(), sys.argv]))"
INFO = "bindpost-1.dist-info/"

def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "bindpost-1-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.writestr("bindpost.py", SOURCE)
        wheel.writestr(INFO + "METADATA", "Metadata-Version: 2.1\\nName: bindpost\\nVersion: 1\\n")
        wheel.writestr(INFO + "WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr(INFO + "entry_points.txt", "[console_scripts]\\nbindpost = bindpost:main\\n")
        wheel.writestr(INFO + "RECORD", "")
    return name
'''


class SmallCheckout:
    """A checkout with the real scripts, and the folder that its dependency is installed from."""

    def __init__(self, folder: Path, scripts: Path) -> None:
        self.folder = folder
        self.wheels = folder.parent / "wheels"
        self.tools = folder.parent / "tools"
        for made in (folder, folder / "constraints", self.wheels, self.tools):
            made.mkdir()
        shutil.copytree(scripts, folder / "scripts")
        (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
        (folder / "backend.py").write_text(BACKEND, encoding="utf-8")
        for name in TOOLS:
            found = shutil.which(name)
            assert found, f"{name} is needed by the scripts"
            (self.tools / name).symlink_to(found)
        self.pin("1")

    def pin(self, version: str) -> None:
        """Make the dependency in this version, and pin it beside a uvloop that can't be had."""
        wheel = self.wheels / f"dependency-{version}-py3-none-any.whl"
        info = f"dependency-{version}.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: dependency\nVersion: {version}\n"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("dependency.py", "")
            archive.writestr(f"{info}/METADATA", metadata)
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        self.pins.write_text(
            f"dependency=={version} \\\n    --hash=sha256:{digest}\n    # via bindpost\n"
            f"uvloop==1 \\\n    --hash=sha256:{'0' * 64}\n",
            encoding="utf-8",
        )

    @property
    def pins(self) -> Path:
        """What the environment is made from."""
        return self.folder / "constraints" / "runtime.txt"

    @property
    def venv(self) -> Path:
        """The environment."""
        return self.folder / ".venv"

    def start(self, *options: str, path: str | None = None) -> subprocess.Popen[str]:
        """Start `scripts/serve` from another folder; `path` is the PATH it sees."""
        env = {
            "PATH": path or os.environ["PATH"],
            "HOME": str(self.folder.parent / "home"),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
        }
        return subprocess.Popen(
            [self.folder / "scripts" / "serve", *options],
            cwd=self.wheels,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def serve(self, *options: str, path: str | None = None) -> tuple[int, str, str]:
        """Run `scripts/serve` to its end; give its exit status, output and standard error."""
        process = self.start(*options, path=path)
        output, errors = process.communicate()
        return process.returncode, output, errors


@pytest.fixture
def small(checkout: Path, tmp_path: Path) -> SmallCheckout:
    """Give a small checkout without an environment, in a folder with a space in its name."""
    return SmallCheckout(tmp_path / "small checkout", checkout / "scripts")


CALL = ("--data", "a b", "")
"""Options of a start."""


@dataclass(frozen=True)
class Made:
    """A small checkout that was started twice at once, and what these starts gave."""

    small: SmallCheckout
    starts: list[tuple[int, str, str]]


@pytest.fixture(scope="module")
def first_start(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Start a small checkout for the first time, twice; to make an environment takes seconds."""
    small = SmallCheckout(tmp_path_factory.mktemp("made") / "small checkout", checkout / "scripts")
    starts = [small.start(*CALL), small.start(*CALL)]
    ends = [start.communicate() for start in starts]
    return Made(small, [(start.returncode, *end) for start, end in zip(starts, ends, strict=True)])


@pytest.fixture
def made(first_start: Made, tmp_path: Path) -> Iterator[Made]:
    """Give that checkout as it was after its first starts; what the test changes is put back."""
    place, kept = first_start.small.folder.parent, tmp_path / "kept"
    shutil.copytree(place, kept, symlinks=True)
    yield first_start
    shutil.rmtree(place)
    shutil.move(kept, place)


def test_the_second_start_needs_nothing(made: Made) -> None:
    """
    The first start says what it does and hands over options and folder, without uvloop if need be.

    The second does the same, silently, with no Python to be found and nothing to install from.
    """
    small = made.small
    (first,) = [start for start in made.starts if "setting up" in start[2]]
    shutil.rmtree(small.folder.parent / "home", ignore_errors=True)
    (small.wheels / "dependency-1-py3-none-any.whl").unlink()
    second = small.serve(*CALL, path=str(small.tools))

    call = [str(small.wheels), [str(small.venv / "bin" / "bindpost"), "serve", *CALL]]
    assert (first[0], json.loads(first[1])) == (0, call)
    assert [line.split(":")[0] for line in first[2].splitlines()] == ["bindpost", "bindpost"]
    assert (second[0], json.loads(second[1]), second[2]) == (0, call, "")


def test_a_half_made_environment_does_not_count(small: SmallCheckout) -> None:
    """When an install fails, pip's words are shown; the next start makes the environment anew."""
    (wheel,) = small.wheels.iterdir()
    hidden = wheel.rename(small.folder.parent / wheel.name)
    failed = small.serve()
    (small.venv / "left over").touch()
    hidden.rename(wheel)
    mended = small.serve()

    assert failed[:2] == (1, "")
    assert "No matching distribution found for dependency==1" in failed[2]
    assert mended[0] == 0, mended[2]
    assert not (small.venv / "left over").exists()


def test_new_pins_are_installed_into_the_environment(made: Made) -> None:
    """When the pins have changed, the next start installs them and keeps the rest."""
    small = made.small
    (small.venv / "kept").touch()
    small.pin("2")

    status, _, errors = small.serve()

    assert status == 0, errors
    assert (small.venv / "kept").exists()
    assert [found.name for found in small.venv.rglob("dependency-*.dist-info")] == [
        "dependency-2.dist-info"
    ]


def test_a_moved_checkout_gets_a_new_environment(made: Made, tmp_path: Path) -> None:
    """An environment holds absolute paths, so that of a moved checkout is made anew."""
    place = tmp_path / "moved"
    shutil.copytree(made.small.folder.parent, place, symlinks=True)
    small = copy(made.small)
    small.folder, small.wheels = place / made.small.folder.name, place / made.small.wheels.name

    status, output, errors = small.serve()

    assert status == 0, errors
    assert json.loads(output)[1][0] == str(small.venv / "bin" / "bindpost")


def test_two_first_starts_wait_for_each_other(made: Made) -> None:
    """Of two first starts at once one sets up, and both start."""
    assert [status for status, _, _ in made.starts] == [0, 0], made.starts
    assert sum(errors.count("setting up") for _, _, errors in made.starts) == 1


def test_a_foreign_environment_is_left_alone(small: SmallCheckout) -> None:
    """A .venv that the scripts didn't make is named, not touched."""
    small.venv.mkdir()
    (small.venv / "pyvenv.cfg").touch()

    status, _, errors = small.serve()

    assert status == 1
    assert "was not made by these scripts" in errors
    assert [file.name for file in small.venv.iterdir()] == ["pyvenv.cfg"]


def test_no_python_is_told(small: SmallCheckout) -> None:
    """Without a Python, and with one that is too old, the message says what was found."""
    old = small.tools / "python3"
    old.write_text("#!/bin/sh\necho 3.9\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)

    status, _, errors = small.serve(path=str(small.tools))

    assert status == 1
    assert errors.startswith("bindpost: no Python 3.11 or newer: python3 is 3.9, python3.14 is not")
