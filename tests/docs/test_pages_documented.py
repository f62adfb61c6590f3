"""docs/pages.md and the README say what the pages are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "pages.md").read_text("utf-8")
SCRIPTS = sorted((CHECKOUT / "server" / "web" / "static").glob("*.js"))
NAMES = {"Escape": "Esc"}
WITHIN = ("ArrowDown", "ArrowUp")
"""What a list is expected to do anyway."""


def test_the_pictures_are_there_and_modest() -> None:
    """Each picture that is shown is there, none of the pages is left over, and they are small."""
    text = PAGE + (CHECKOUT / "README.md").read_text("utf-8")
    shown = set(re.findall(r"pictures/([\w-]+\.png)\)", text))
    files = {
        path.name: path.stat().st_size
        for path in (CHECKOUT / "docs" / "pictures").iterdir()
        if not path.name.startswith(("lab-", "bench-"))
    }

    assert {name for name in shown if not name.startswith("lab-")} == set(files)
    assert sum(files.values()) < 250_000


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_each_key_is_told(script: Path) -> None:
    """Each key that a page listens to is in the table of keys."""
    bindings = re.findall(r'(?m)^ {2,6}\["([^"]+)", "', script.read_text("utf-8"))
    keys = {key for keys in bindings for key in keys.split() if key not in WITHIN}
    table = PAGE.partition("## Keys")[2].partition("##")[0]
    told = set(re.findall(r"`([^`]+)`", table)) | set("12345678")

    assert {NAMES.get(key, key).replace("+", " ") for key in keys} <= told


def test_keys_are_found_at_all() -> None:
    """The pattern of the test above still fits the scripts."""
    text = "".join(script.read_text("utf-8") for script in SCRIPTS)

    assert len(re.findall(r'(?m)^ {2,6}\["([^"]+)", "', text)) > 15
