"""docs/faults.md: what it tells people to write can be written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bindpost.cli.faults import _fault, _pairs, faults
from bindpost.config.fault import problem_of
from bindpost.config.fault_change import read_use
from bindpost.config.load import load
from bindpost.server.faults.presets import fit, load_presets

PAGE = (Path(__file__).parents[2] / "docs" / "faults.md").read_text("utf-8")
COMMANDS = re.findall(r"^\$ bindpost faults (.+)$", PAGE, re.MULTILINE)
TABLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_there_are_commands_and_tables() -> None:
    """The patterns of the tests below still fit the page."""
    assert len(COMMANDS) > 5
    assert len(TABLES) > 1


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_is_one(command: str) -> None:
    """Its name is known, and what `add` and `use` are given are faults that can be."""
    name, *arguments = shlex.split(command)
    assert name in faults.commands
    if name == "add":
        stage, action, *more = arguments
        assert problem_of(_fault(stage, action, tuple(more))) == ""
    if name == "use":
        preset, *more = arguments
        assert fit(load_presets()[preset], *read_use(_pairs(tuple(more)), strict=False)).faults


@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_the_page_can_be_loaded(table: str, tmp_path: Path) -> None:
    """It is a configuration file, with a fault in it."""
    file = tmp_path / "bindpost.toml"
    file.write_text(table, "utf-8")

    assert load(file=file, environ={}).settings.fault


@pytest.mark.parametrize("name", sorted(faults.commands))
def test_each_command_is_told(name: str) -> None:
    """Each stands in the table of ways."""
    assert f"`{name}`" in PAGE or f"bindpost faults {name}`" in PAGE
