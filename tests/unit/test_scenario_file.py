"""Scenario files: those that bindpost brings are sound, and a bad one gets a clear error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bindpost.config.scenario_file import VARIABLES, fill, load, names, read_text
from bindpost.errors import ConfigError

WANTED = {
    *("q203116", "q181420-q319881", "q193928-a", "q193928-b", "q193928-c", "q193928-d"),
    *("q222553", "q268643", "q146157", "client-missing"),
    *("socks-down", "socks-silent", "socks-no-bind", "socks-wrong-kind", "socks-login-refused"),
    *("socks-rules-refuse", "socks-dies-later", "ssh-forwarding-refused", "ssh-gatewayports-no"),
}
GOOD = """\
title = "A case"
cause = "something"
story = '''
Once upon a time.
'''

[files]
"bindpost.toml" = "hostname = '$hostname'"

[server.other]
words = "another"
program = "true"

[[phase]]
name = "fault"
title = "It fails"
run = ["other"]
[phase.expect]
exit = 69
[[phase.expect.event]]
id = 4007
[phase.expect.reach]
internet = "refused"
"""
EVENT = "phase[0].expect.event[0].fields"


def complaint(text: str) -> ConfigError:
    """Give the error that a text is refused with."""
    with pytest.raises(ConfigError) as caught:
        read_text("mine", text, Path("mine.toml"))
    return caught.value


def test_the_scenarios_that_are_promised_are_there() -> None:
    """Each fault that the lab is for has its scenario."""
    assert set(names()) >= WANTED


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("q20311", "did you mean q203116? A file's name ends in .toml"),
        ("nothing", "`bindpost lab list` names them; a file's name ends in .toml"),
        ("none.toml", "the scenario file cannot be read: No such file or directory; `bindpost lab"),
    ],
)
def test_a_scenario_that_is_not_there_is_told_with_a_way_on(name: str, said: str) -> None:
    """Whether it is a name or a file."""
    with pytest.raises(ConfigError, match=re.escape(said)):
        load(name)


@pytest.mark.parametrize("name", names())
def test_each_scenario_tells_its_story(name: str) -> None:
    """A shipped scenario loads, tells a story, shows a fault with its cure or a healthy state."""
    scenario = load(name).scenario

    kinds = [phase.kind for phase in scenario.phase]
    assert len(scenario.story.split()) >= 30
    assert "cure" in kinds if "fault" in kinds else kinds == ["healthy"]
    for phase in scenario.phase:
        assert phase.expect.reach.internet != "untried" or name == "q146157"
        assert phase.expect.event


@pytest.mark.parametrize("name", names())
def test_each_server_and_file_is_used(name: str) -> None:
    """A shipped scenario has no server that no phase runs."""
    scenario = load(name).scenario

    run = {server for phase in scenario.phase for server in phase.run}
    run |= {server.otherwise for server in scenario.server.values() if server.otherwise}
    assert run == set(scenario.server)


def test_a_name_that_is_nearly_right() -> None:
    """An unknown name gets the one that was probably meant."""
    with pytest.raises(ConfigError, match="did you mean q203116"):
        load("Q203161")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A path that leads nowhere is named with the reason."""
    with pytest.raises(ConfigError, match=r"mine.toml.*cannot be read"):
        load(str(tmp_path / "mine.toml"))


def test_a_good_file_is_read(tmp_path: Path) -> None:
    """One's own file is named after itself."""
    (tmp_path / "mine.toml").write_text(GOOD)

    file = load(str(tmp_path / "mine.toml"))

    assert file.name == "mine"
    assert file.scenario.phase[0].expect.event[0].id == 4007


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ("exit = 69", "exti = 69", "phase[0].expect.exti", "did you mean phase[0].expect.exit"),
        ("exit = 69", 'exit = "69"', "phase[0].expect.exit", "a whole number from -1 to 255"),
        ("id = 4007", "id = 4007\nfields = { hop = [] }", f"{EVENT}.hop", "the list is empty"),
        (
            "id = 4007",
            "id = 4007\nfields = { hop = [5] }",
            EVENT,
            "or of lists of them",
        ),
        ('"refused"', '"no"', "phase[0].expect.reach.internet", '"refused"'),
        ('title = "A case"', "", "title", "is missing"),
        ('run = ["other"]', 'run = ["another"]', "phase[0].run", "no [server.another]"),
        ("$hostname", "$hotsname", 'files."bindpost.toml"', "no variable $hotsname"),
        ("$hostname", "5 $", 'files."bindpost.toml"', "write $$"),
        ('"bindpost.toml"', '"../x.toml"', 'files."../x.toml"', "lead nowhere else"),
        ('"bindpost.toml"', '"etc/passwd"', 'files."etc/passwd"', "etc/services"),
        ('"bindpost.toml"', '"else.toml"', "phase[0].files", "no bindpost.toml"),
        ('program = "true"', "", "server.other", "either bindpost"),
        ('name = "fault"', 'name = "a/b"', "phase[0].name", "small letters"),
        ("[phase.expect]", 'service = "keep"\n[phase.expect]', "phase[0].service", "first phase"),
        (
            'program = "true"',
            'program = "true"\notherwise = "nobody"',
            "server.other.otherwise",
            "take its place",
        ),
    ],
)
def test_a_bad_file_is_refused(old: str, new: str, key: str, words: str) -> None:
    """The message names file and line, the key and what is wrong with it."""
    assert old in GOOD

    error = complaint(GOOD.replace(old, new, 1))

    assert error.key == key
    assert words in str(error)
    assert error.origin.startswith("mine.toml")


def test_two_phases_of_one_name() -> None:
    """Phases need different names: their evidence is kept by them."""
    phase = GOOD[GOOD.index("[[phase]]") :]

    assert "another phase" in str(complaint(GOOD + phase))


def test_no_phase() -> None:
    """A scenario without a phase would hold whatever happens, so it is refused."""
    text = GOOD[: GOOD.index("[[phase]]")]

    assert complaint(text).key == "phase"
    assert complaint("phase = []\n" + text).key == "phase"


@pytest.mark.parametrize("text", ["not toml", "a = [", "\x00", "phase = 3", "server = []"])
def test_what_is_no_scenario(text: str) -> None:
    """Whatever else is in a file, it is an error with a message and no traceback."""
    assert str(complaint(text))


def test_variables_are_filled_in() -> None:
    """`$name` stands for its value, `$$` for a dollar sign."""
    values = dict.fromkeys(VARIABLES, "x") | {"proxy": "10.0.0.1", "control": "1745"}

    assert fill("$proxy:${control} costs $$5", values) == "10.0.0.1:1745 costs $5"
