"""What the packaging tests look at: the checkout, its pyproject.toml, its tracked files."""

from __future__ import annotations

import subprocess
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
