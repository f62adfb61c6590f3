"""docs/settings.md: its tables are made from the model, and nothing is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bindpost.config.document import markdown
from bindpost.config.environment import assignments
from bindpost.config.fields import SETTINGS, fields_of, known
from bindpost.config.load import FLAGS

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(scope="module")
def page() -> str:
    """Give the page's text."""
    return PAGE.read_text(encoding="utf-8")


def test_every_setting_has_a_line_of_help() -> None:
    """No setting is without help, and the help ends as a sentence does."""
    without = [key for key, field in known() if not field.help.endswith(".")]

    assert without == []


def test_every_setting_is_in_the_tables() -> None:
    """Each key of the model has its line."""
    text = markdown()

    missing = [key for key, field in known() if f"\n| `{field.name}` | " not in text]

    assert missing == []


def test_every_ims_knob_has_its_source(page: str) -> None:
    """The table of sources names each key of [ims], and no other."""
    section = page.partition("## Where the knobs")[2]
    first_cells = re.findall(r"^\| (`[^|]*)\|", section, re.MULTILINE)
    named = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}

    assert named == set(fields_of(fields_of(SETTINGS)["ims"].tables))


def test_the_variables_of_the_page_exist(page: str) -> None:
    """Every example of a variable with a value means a setting."""
    examples = dict(re.findall(r"`(BINDPOST_\w+)=([^`]+)`", page))

    known_ones = list(assignments(examples, {}))

    assert len(examples) >= 5
    assert len(known_ones) == len(examples) - len({"BINDPOST_LISTEN", "BINDPOST_VIA"})


def test_the_flags_of_the_page_exist(page: str) -> None:
    """Every flag that the page names is one."""
    named = set(re.findall(r"`--([a-z-]+)", page))

    assert named <= {name.replace("_", "-") for name in FLAGS} | {"listen", "via", "config"}
