"""Files of faults: read behind the settings' own rules, wrong ones told, written and read back."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.config.fault import ACTIONS, STAGES, Fault, When, problem_of
from bindpost.config.fault_file import read_faults, write_faults
from bindpost.config.load import Loaded, load
from bindpost.errors import ConfigError

RULE = '[[fault]]\nstage = "RCPT"\naction = "reply"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with settings that name a file of faults, and have one rule themselves."""
    (tmp_path / "bindpost.toml").write_text(f'faults = "more.toml"\n{RULE}name = "own"\n')
    return tmp_path


def _loaded(folder: Path, text: str) -> Loaded:
    (folder / "more.toml").write_text(text, "utf-8")
    return load(file=folder / "bindpost.toml", environ={})


def test_its_rules_come_behind_the_settings_own(folder: Path) -> None:
    """Each has a name, its own or the file's with its place, and an origin in the file."""
    loaded = _loaded(folder, f'{RULE}when.recipient = "*@full.test"\n{RULE}name = "named"\n')

    rules = loaded.settings.fault
    assert [rule.name for rule in rules] == ["own", "more-1", "named"]
    assert rules[1].when.recipient == "*@full.test"
    assert loaded.origins["fault[1].when.recipient"] == f"{folder / 'more.toml'}:4"
    assert loaded.origins["fault[2].stage"] == f"{folder / 'more.toml'}:6"


def test_a_variable_may_name_it(folder: Path) -> None:
    """It needs no configuration file."""
    file = folder / "more.toml"
    file.write_text(RULE)

    loaded = load(environ={"BINDPOST_FAULTS": str(file)}, look_around=False)

    assert [rule.name for rule in loaded.settings.fault] == ["more-1"]


@pytest.mark.parametrize(
    ("text", "key", "parts"),
    [
        (f"{RULE}{RULE}cod = 5\n", "fault[1].cod", ("more.toml:7", "did you mean fault[1].code?")),
        (f"{RULE}code = 7000\n", "fault[0].code", ("more.toml:4", "from 0 to 599")),
        ('[[fault]]\nstage = "RCPT"\n', "fault[0].action", ("more.toml:1", "is missing")),
        (f"{RULE}code = 100\n", "fault[0]", ("more-1: the code 100", "more.toml:2")),
        (
            f'{RULE}name = "one"\n{RULE}name = "one"\n',
            "fault[1].name",
            ("more.toml:8", "two faults of the name 'one'"),
        ),
        (f'{RULE}name = "own"\n', "fault[1].name", ("more.toml:4", "of the name 'own'")),
        ("title = 'x'\n", "fault", ("is missing", "more.toml")),
        ("[[fault]\n", "", ("more.toml", "not TOML")),
    ],
    ids=["unknown key", "range", "missing", "wrong", "twice", "taken", "a preset", "no TOML"],
)
def test_what_is_wrong_is_told_with_its_place(
    folder: Path, text: str, key: str, parts: tuple[str, ...]
) -> None:
    """The error has the file, the line and the rule."""
    with pytest.raises(ConfigError) as caught:
        _loaded(folder, text)

    assert caught.value.key == key or not key
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_a_file_that_is_not_there_is_told(folder: Path) -> None:
    """With the setting that names it."""
    with pytest.raises(ConfigError, match=r"more\.toml: the faults file .*bindpost\.toml:1\)"):
        load(file=folder / "bindpost.toml", environ={})


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
required: dict[str, st.SearchStrategy[object]] = {
    "stage": st.sampled_from(list(STAGES)),
    "action": st.sampled_from(list(ACTIONS)),
}
optional: dict[str, st.SearchStrategy[object]] = {
    "name": st.from_regex(r"\A[a-z.-]{1,5}\Z"),
    "code": st.integers(400, 599),
    "text": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    "seconds": st.floats(0, 86400),
    "probability": st.floats(0, 1),
    "seed": st.integers(-(2**63) + 1, 2**63 - 1),
    "count": st.integers(0, 9),
    "when": st.builds(When, recipient=texts, tls=st.sampled_from(["any", "no"]), helo=texts),
}
rules = (
    st.fixed_dictionaries(required, optional=optional)
    .map(lambda values: msgspec.structs.replace(Fault(stage="RCPT", action="reply"), **values))
    .filter(lambda fault: not problem_of(fault))
)


@given(st.lists(rules, min_size=1, max_size=4, unique_by=lambda fault: fault.name))
def test_what_is_written_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, faults: list[Fault]
) -> None:
    """Every rule comes back the same; only a name is given to one that had none."""
    file = tmp_path_factory.getbasetemp() / "written.toml"
    file.write_text(write_faults(faults), "utf-8")

    tables = [table for table, _ in read_faults(file, "faults")]

    named = [
        msgspec.structs.replace(fault, name=fault.name or f"written-{number}")
        for number, fault in enumerate(faults, 1)
    ]
    assert msgspec.convert(tables, list[Fault]) == named
