"""docs/lab.md and docs/scenarios.md: every scenario, word, variable and key, and an example."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from bindpost.config.lab_hosts import ONE_MACHINE, load_hosts
from bindpost.config.scenario import Reached
from bindpost.config.scenario_document import PART
from bindpost.config.scenario_file import VARIABLES, load, names, read_text

DOCS = Path(__file__).parents[2] / "docs"
LAB = (DOCS / "lab.md").read_text("utf-8")
SCENARIOS = (DOCS / "scenarios.md").read_text("utf-8")


def rows(page: str, head: str) -> dict[str, str]:
    """Give the first two columns of the table that begins with this head."""
    table = page.partition(head)[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.*) \|$", table, re.MULTILINE))


def test_the_tables_of_a_scenario_are_up_to_date() -> None:
    """Making them anew changes nothing: `python -m bindpost.config.scenario_document` was run."""
    assert PART.renew(SCENARIOS) == SCENARIOS


def test_every_scenario_is_listed() -> None:
    """Each has its line, with its title."""
    assert rows(LAB, "| name | what is wrong |") == {
        name: load(name).scenario.title for name in names()
    }


def test_every_variable_is_listed() -> None:
    """Each has its line, with what it stands for."""
    listed = rows(SCENARIOS, "| variable | stands for |")

    assert listed == {f"${name}": words for name, words in VARIABLES.items()}


def test_every_word_of_reaching_is_listed() -> None:
    """Each outcome of a visit is explained."""
    assert set(rows(LAB, "| word | means |")) == set(get_args(Reached))


def test_the_addresses_are_those_of_the_lab() -> None:
    """The page tells the addresses that are used on one machine."""
    table = LAB.partition("| machine | address |")[2].partition("\n\n")[0]

    hosts = ONE_MACHINE
    used = {hosts.exchange.address, hosts.proxy.address, hosts.proxy.external}
    assert set(re.findall(r"127\.0\.0\.\d", table)) == used | {hosts.internet.address}


def test_the_hosts_file_can_be_read(tmp_path: Path) -> None:
    """The example of a hosts file is one."""
    (example,) = re.findall(r"```toml\n(isolated.*?)```", LAB, re.DOTALL)
    (tmp_path / "hosts.toml").write_text(example)

    assert load_hosts(tmp_path / "hosts.toml").proxy.external == "203.0.113.1"


@pytest.fixture
def example() -> str:
    """Give the scenario of the page."""
    (text,) = re.findall(r"```toml\n(title.*?)```", SCENARIOS, re.DOTALL)
    return str(text)


def test_the_example_holds(example: str, tmp_path: Path) -> None:
    """The scenario of the page is read, and holds when it is run."""
    read_text("mine", example, Path("mine.toml"))
    (tmp_path / "mine.toml").write_text(example)

    done = subprocess.run(
        [sys.executable, "-m", "bindpost", "lab", "run", "mine.toml", "--keep", "kept"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pictures_are_there_and_modest() -> None:
    """Each picture of the page is there, none is left over, and they are small together."""
    named = set(re.findall(r"\(pictures/([\w-]+\.png)\)", LAB))
    files = {path.name: path.stat().st_size for path in (DOCS / "pictures").glob("lab-*")}

    assert named == set(files)
    assert sum(files.values()) < 400_000


def test_the_options_are_told() -> None:
    """Each option of `lab run` is on the page."""
    told = subprocess.run(
        [sys.executable, "-m", "bindpost", "lab", "run", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    options = set(re.findall(r"^ +(--[a-z]+)", told, re.MULTILINE)) - {"--help"}
    assert options
    assert [option for option in sorted(options) if option not in LAB] == []
