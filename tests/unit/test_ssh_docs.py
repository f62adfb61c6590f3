"""docs/ssh.md: its table is made from the matrix, and its table of settings is a real one."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bindpost.config.model import SshPath
from bindpost.proxy.selftest import ACCEPT
from bindpost.proxy.ssh.matrix import REACH_ROWS, ROWS
from bindpost.proxy.ssh.settings import Timing

PAGE = Path(__file__).parents[2] / "docs" / "ssh.md"


@pytest.fixture(scope="module")
def page() -> str:
    """Give the page's text."""
    return PAGE.read_text(encoding="utf-8")


def test_every_row_is_there(page: str) -> None:
    """The page has a line for each row of the matrix."""
    assert len(re.findall(r"\| 100(?:48|50) \|", page)) == len(ROWS)
    assert len(re.findall(r"^\| (?:reach|accept) \| none", page, re.MULTILINE)) == len(REACH_ROWS)


def test_the_example_names_every_key(page: str) -> None:
    """The table of the example has the keys that are read, and no others."""
    found = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert found is not None
    table = tomllib.loads(found[1])["path"]["bastion"]

    assert table.pop("type") == "ssh"
    assert set(table) == set(SshPath.__struct_fields__)


def test_the_times_are_the_codes(page: str) -> None:
    """The pauses and times that the page tells are those of the code."""
    timing = Timing()
    small = ", ".join(f"{pause * 1000:.0f}" for pause in timing.pauses if pause < 1)
    large = ", ".join(f"{pause:.0f}" for pause in timing.pauses if pause >= 1)

    assert f"after {small} ms, {large} s, then every {timing.pauses[-1]:.0f} s" in page
    assert f"after a refusal every {timing.slow:.0f} s" in page
    assert f"lost again within {timing.slow:.0f} s" in page
    assert f"retried for {timing.held:.0f} s" in page
    lost = timing.keepalive * (timing.keepalive_count + 1)
    assert f"every {timing.keepalive:.0f} s; after {lost:.0f} s without an answer" in page
    assert f"{timing.connect:.0f} s" in ROWS["unreachable"].shows
    assert f"{timing.login:.0f} s" in ROWS["silent"].shows
    assert f"{timing.login:.0f} s" in ROWS["login-slow"].shows
    assert f"{timing.request:.0f} s" in ROWS["no-answer"].shows
    assert f"{lost:.0f} s" in ROWS["lost"].shows
    assert f"{ACCEPT:.0f} s" in REACH_ROWS["never-opened"].shows
