"""Which fault strikes: conditions, counts, chance, time and scope, without any I/O."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from bindpost.config.fault import (
    ACTIONS,
    ALLOWED,
    KNOWN_FROM,
    ORDER,
    STAGES,
    TAKEN_BY,
    Action,
    Fault,
    Stage,
    When,
    problem_of,
)
from bindpost.config.fault_file import write_faults
from bindpost.config.load import load
from bindpost.errors import ConfigError
from bindpost.server.faults import Facts, Faults, UnknownFaultError
from bindpost.server.faults.presets import load_presets, use


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give a clock that stands still."""
    return Clock()


def rule(action: Action = "reply", stage: Stage = "RCPT", **more: Any) -> Fault:
    """Make a rule."""
    return Fault(stage=stage, action=action, **more)


def facts(**more: Any) -> Facts:
    """Make the facts of a RCPT."""
    known = {
        "listener": "127.0.0.1:25",
        "peer": "10.0.0.1",
        "sender": "a@b",
        "recipients": ("c@d",),
    }
    return Facts(**(known | more))


def strikes(faults: Faults, times: int, **more: Any) -> list[bool]:
    """Tell at which of so many RCPTs a fault strikes."""
    return [bool(faults.decide("RCPT", facts(**more))) for _ in range(times)]


def test_without_rules_nothing_is_asked() -> None:
    """The one attribute that an engine looks at says so."""
    faults = Faults()

    assert not faults.is_on
    faults.add(rule(name="one"))
    assert faults.is_on
    faults.remove("one")
    assert not faults.is_on


@pytest.mark.parametrize(
    ("when", "met", "unmet"),
    [
        ({"sender": "A@B"}, {"sender": "a@b"}, {"sender": "a@bb"}),
        ({"sender": "<>"}, {"sender": ""}, {"sender": None}),
        ({"recipient": "*@example.org"}, {"recipients": ("x@EXAMPLE.org",)}, {}),
        ({"recipient": "/^(a|b)@/"}, {"recipients": ("z@x", "b@x")}, {"recipients": ("zb@x",)}),
        ({"helo": "mx?.test"}, {"helo": "mx1.test"}, {"helo": "mx10.test"}),
        ({"peer": "10.0.0.*"}, {"peer": "10.0.0.9"}, {"peer": "10.0.1.9"}),
        ({"login": "ann"}, {"login": "Ann"}, {"login": "anna"}),
        ({"listener": "*:25"}, {}, {"listener": "127.0.0.1:2525"}),
        ({"tls": "yes"}, {"tls": True}, {"tls": False}),
        ({"tls": "no"}, {"tls": False}, {"tls": True}),
        ({"recipient": "c@d", "sender": "a@b"}, {}, {"sender": "b@a"}),
    ],
)
def test_a_condition_is_met_by_what_it_names(
    when: dict[str, str], met: dict[str, Any], unmet: dict[str, Any]
) -> None:
    """Whole, without case; as a pattern with * and ?; between slashes by RE2; all must hold."""
    faults = Faults([rule(when=When(**when))])  # type: ignore[arg-type]  # tls is a word

    assert faults.decide("RCPT", facts(**met))
    assert not faults.decide("RCPT", facts(**unmet))


MAIL = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Team: Blue\r\nX-Team: Red\r\n\r\nbody\r\n"


@pytest.mark.parametrize(
    ("when", "is_met"),
    [
        ({"subject": "Grüße"}, True),
        ({"subject": "body"}, False),
        ({"header": "x-team: red"}, True),
        ({"header": "X-Team: /^B/"}, True),
        ({"header": "X-Team: gr*"}, False),
        ({"larger_than": len(MAIL) - 1}, True),
        ({"larger_than": len(MAIL)}, False),
        ({"smaller_than": len(MAIL) + 1}, True),
        ({"smaller_than": len(MAIL)}, False),
    ],
)
def test_a_condition_looks_into_the_message(when: dict[str, Any], is_met: bool) -> None:
    """Subject and header are compared decoded; a size is more or less than, never equal."""
    faults = Faults([rule(stage="end-of-data", when=When(**when))])

    assert bool(faults.decide("end-of-data", facts(raw=MAIL))) is is_met


def test_another_stage_is_left_alone() -> None:
    """A rule strikes at its own stage only."""
    assert not Faults([rule(stage="MAIL")]).decide("RCPT", facts())


def test_nth_every_and_count() -> None:
    """The nth time only, each nth time, and no more often than `count`."""
    assert strikes(Faults([rule(nth=2)]), 4) == [False, True, False, False]
    assert strikes(Faults([rule(every=2)]), 4) == [False, True, False, True]
    assert strikes(Faults([rule(count=2)]), 4) == [True, True, False, False]
    assert strikes(Faults([rule(every=2, count=1)]), 4) == [False, True, False, False]


def test_the_same_seed_and_traffic_give_the_same_faults() -> None:
    """Chance is a generator of the rule's own, so other rules and other runs change nothing."""
    alone = strikes(Faults([rule(probability=0.5, seed=7)]), 200)
    other = rule(stage="RCPT", action="delay", probability=0.3, seed=1, when=When(sender="no@one"))
    beside = strikes(Faults([other, rule(probability=0.5, seed=7)]), 200)

    assert alone == beside
    assert 60 < sum(alone) < 140
    assert strikes(Faults([rule(probability=0.5, seed=8)]), 200) != alone


def test_reset_begins_anew() -> None:
    """After a reset counts and dice are as at first, and the log is empty."""
    faults = Faults([rule(probability=0.5, seed=3, count=5)])
    first = strikes(faults, 30)

    faults.reset()

    assert faults.log() == []
    assert strikes(faults, 30) == first


def test_a_rule_expires(clock: Clock) -> None:
    """After its time a rule is gone, also from the list."""
    faults = Faults([rule(expires=60.0)], clock=clock)

    clock.now += 59.9
    assert faults.decide("RCPT", facts())
    clock.now += 0.2
    assert not faults.decide("RCPT", facts())
    assert (faults.rules, faults.is_on) == ([], False)


def test_greylisting_is_by_the_triple(clock: Clock) -> None:
    """A client, sender and recipient are refused until the time has gone; others wait anew."""
    faults = Faults([rule("greylist", seconds=30.0)], clock=clock)

    assert strikes(faults, 2) == [True, True]
    clock.now += 30
    assert strikes(faults, 2) == [False, False]
    assert strikes(faults, 1, recipients=("other@d",)) == [True]
    assert strikes(faults, 1, peer="10.0.0.2") == [True]
    assert strikes(faults, 1, sender="other@b") == [True]


def test_a_rate_is_by_the_client(clock: Clock) -> None:
    """So many in so many seconds pass, for each address of a client by itself."""
    faults = Faults([rule("rate-limit", limit=2, seconds=10.0)], clock=clock)

    assert strikes(faults, 3) == [False, False, True]
    assert strikes(faults, 1, peer="10.0.0.2") == [False]
    clock.now += 10
    assert strikes(faults, 3) == [False, False, True]


def test_rules_are_asked_in_order_until_one_decides() -> None:
    """What comes behind an answer does not strike; what only changes its manner goes before."""
    faults = Faults([rule("delay", name="a"), rule(name="b"), rule("drop", name="c")])

    assert [fault.name for fault in faults.decide("RCPT", facts())] == ["a", "b"]
    assert [firing.name for firing in faults.log()] == ["a", "b"]
    assert [firing.number for firing in faults.log(after=1)] == [2]


def test_a_name_is_made_and_is_the_only_one() -> None:
    """A rule without a name gets one, a name that is taken is refused."""
    faults = Faults()

    assert (faults.add(rule()).fault.name, faults.add(rule()).fault.name) == ("fault-1", "fault-2")
    with pytest.raises(ValueError, match="of the name 'fault-1' already"):
        faults.add(rule(name="fault-1"))


def test_a_change_keeps_the_place_and_begins_to_count() -> None:
    """The rule stays where it is among the others, under its name."""
    faults = Faults([rule(name="one", count=1), rule(name="two")])
    strikes(faults, 1)

    changed = faults.change("one", rule("drop"))

    assert [one.fault.name for one in faults.rules] == ["one", "two"]
    assert (changed.fault.action, changed.fired) == ("drop", 0)
    with pytest.raises(UnknownFaultError, match="no fault of the name 'three'"):
        faults.change("three", rule())
    with pytest.raises(ValueError, match="can't be renamed"):
        faults.change("one", rule(name="other"))


def test_new_settings_exchange_only_their_own_rules() -> None:
    """A reload takes the rules of the old file away, and leaves those of the API."""
    faults = Faults([rule(name="old")])
    faults.add(rule(name="mine"))

    faults.configure([rule(name="new")])

    assert [one.fault.name for one in faults.rules] == ["new", "mine"]


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (rule("lose"), "the stage RCPT has no action lose"),
        (rule(code=99), "the code 99 is no SMTP reply"),
        (rule("greylist", code=250), "greylist refuses"),
        (rule(stage="accept", code=220), "a reply at accept refuses"),
        (rule("hide", "EHLO"), "hide needs a keyword"),
        (rule(stage="end-of-data", when=When(header="X")), "write NAME: TEXT"),
        (rule(when=When(sender="/(/")), "none of RE2's"),
    ],
)
def test_what_can_not_be_is_refused(fault: Fault, problem: str) -> None:
    """The sentence says what is wrong; in the settings it names the rule."""
    with pytest.raises(ValueError, match=problem):
        Faults().add(fault)
    with pytest.raises(ConfigError, match=problem):
        Faults([fault])


EARLY = [
    ("recipient", "*@x", "MAIL", "RCPT"),
    ("recipient", "*@x", "EHLO", "RCPT"),
    ("sender", "a@b", "EHLO", "MAIL"),
    ("sender", "<>", "AUTH", "MAIL"),
    ("login", "ann", "accept", "AUTH"),
    ("login", "ann", "STARTTLS", "AUTH"),
    ("helo", "mx", "banner", "HELO"),
    ("peer", "10.*", "bind", "accept"),
    ("tls", "no", "bind", "accept"),
    ("tls", "yes", "STARTTLS", "AUTH"),
    ("tls", "yes", "TLS", "AUTH"),
    ("subject", "x", "RCPT", "end-of-data"),
    ("header", "X: y", "in-data", "end-of-data"),
    ("larger_than", 1, "QUIT", "end-of-data"),
    ("smaller_than", 1, "idle", "end-of-data"),
]
"""Conditions, with a stage at which they can't hold, and the first at which they can."""


@pytest.mark.parametrize(("condition", "value", "stage", "first"), EARLY)
def test_a_condition_that_can_not_hold_yet_is_refused(
    condition: str, value: Any, stage: Stage, first: Stage, tmp_path: Path
) -> None:
    """The sentence names rule, condition, stage and the first stage where it can; there it may."""

    def at(stage: Stage) -> Fault:
        action = next(one for one in ALLOWED[stage] if one not in ("hide", "invent"))
        when = msgspec.convert({condition: value}, When)
        return Fault(name="mine", stage=stage, action=action, when=when)  # type: ignore[arg-type]

    words = f" at {stage} can't depend on when.{condition}, which can hold from the stage {first}"
    with pytest.raises(ValueError, match=words):
        Faults().add(at(stage))
    file = tmp_path / "bindpost.toml"
    file.write_text(write_faults([at(stage)]), "utf-8")
    with pytest.raises(ConfigError, match=rf"fault\[0\].*mine: .*{words}"):
        load(file=file, environ={})
    assert problem_of(at(first)) == ""


@pytest.mark.parametrize(
    ("stage", "when"),
    [
        ("accept", {"tls": "yes"}),  # where TLS begins with the first byte
        ("STARTTLS", {"tls": "no"}),
        ("EHLO", {"helo": "mx"}),
        ("TLS", {"helo": "mx"}),  # by STARTTLS
        ("RCPT", {"login": "ann"}),  # if there was a login
        ("QUIT", {"recipient": "*@x"}),  # within a transaction
        ("idle", {"sender": "a@b"}),
        ("in-data", {"recipient": "*@x"}),
        ("after-acceptance", {"subject": "x", "recipient": "*@x", "login": "ann"}),
        ("bind", {"listener": "*:25"}),
    ],
)
def test_a_condition_that_may_hold_is_taken(stage: Stage, when: dict[str, str]) -> None:
    """Whether it does depends on the client."""
    action: Any = ALLOWED[stage][0]

    assert problem_of(rule(action, stage, when=msgspec.convert(when, When))) == ""


def test_the_table_of_conditions_is_whole() -> None:
    """Every condition has its stage, and every stage its place."""
    assert set(KNOWN_FROM) == set(When.__struct_fields__)
    assert sorted(ORDER) == sorted(STAGES)


PRESET = """
title = "Ours"
story = "It is like that here."

[[fault]]
stage = "RCPT"
action = "drop"
when.peer = "10.*"
"""


def test_a_folder_brings_presets_of_ones_own(tmp_path: Path) -> None:
    """They stand beside bindpost's, and one of the same name takes the other's place."""
    (tmp_path / "ours.toml").write_text(PRESET, "utf-8")
    (tmp_path / "tarpit.toml").write_text(PRESET, "utf-8")

    presets = load_presets(tmp_path)

    assert {"ours", "greylisting"} <= presets.keys()
    assert presets["tarpit"].title == "Ours"
    (armed,), _ = use(Faults(), presets["ours"], When(recipient="*@one.test"))
    assert armed.fault.name == "ours-1"
    assert armed.fault.when == When(peer="10.*", recipient="*@one.test")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "Ours"', "", r"title: is missing; it must be a string \(from .*ours\.toml\)"),
        ('"RCPT"', '"RCTP"', r'fault\[0\]\.stage: expected one of "accept", .*ours\.toml:6\)'),
        ('"RCPT"', "RCPT", r"ours\.toml: not TOML: .*line 6"),
        ('"drop"', '"hide"', r"fault_presets: .*ours\.toml: the stage RCPT has no action hide"),
    ],
)
def test_a_preset_that_can_not_be_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    """With its file, and the line and the key if it is one of them."""
    (tmp_path / "ours.toml").write_text(PRESET.replace(old, new), "utf-8")

    with pytest.raises(ConfigError, match=said):
        load_presets(tmp_path)


def test_a_preset_is_narrowed_where_that_can_hold() -> None:
    """The other rules are left out, and named; where none is left, nothing is added."""
    faults, presets = Faults(), load_presets()
    used = use(faults, presets["flaky-relay"], When(recipient="*@x"))

    assert [one.fault.name for one in used.added] == ["flaky-relay-3"]
    assert [(one.name, one.summary) for one in used.left_out] == [
        ("flaky-relay-1", "reply 421 at accept"),
        ("flaky-relay-2", "reply 451 at MAIL"),
    ]
    assert "when.recipient, which can hold from the stage RCPT on" in used.left_out[0].reason
    with pytest.raises(ValueError, match=r"q203116 can't be narrowed so: bind-error 10050 at bind"):
        use(faults, presets["q203116"], When(recipient="*@x"))
    assert len(faults.rules) == 1


def test_a_preset_is_used_with_other_numbers() -> None:
    """Each rule takes the keys that mean something for it; none of them is added else."""
    faults, presets = Faults(), load_presets()
    (grey,), _ = use(faults, presets["greylisting"], change={"seconds": 1, "code": 451})
    assert (grey.fault.seconds, grey.fault.code, grey.fault.enhanced) == (1.0, 451, "4.7.1")

    flaky = use(faults, presets["flaky-relay"], change={"probability": 1.0, "count": 2}).added
    assert {(one.fault.probability, one.fault.count) for one in flaky} == {(1.0, 2)}
    assert [one.fault.seed for one in flaky] == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("full-mailbox", {"seconds": 1}, "no rule of full-mailbox takes seconds"),
        ("tarpit", {"seconds": 1, "code": 450}, "no rule of tarpit takes code"),
        ("greylisting", {"code": 250}, "greylist refuses, so its code must be from 400"),
        ("greylisting", {"probability": 2}, "probability: expected a number from 0 to 1, got 2"),
        ("greylisting", {"seconds": "1"}, "seconds: expected a number from 0 to 86400, got '1'"),
        ("greylisting", {"secs": 1}, "secs: no key that a preset can be used with"),
        ("greylisting", {"stage": "MAIL"}, "stage: no key that a preset can be used with"),
    ],
)
def test_a_change_that_nothing_takes_is_refused(
    name: str, change: dict[str, Any], problem: str
) -> None:
    """With a sentence, and nothing is added."""
    faults = Faults()

    with pytest.raises(ValueError, match=problem):
        use(faults, load_presets()[name], change=change)

    assert faults.rules == []


def test_a_key_is_taken_where_it_means_something() -> None:
    """Every key of a rule is one of its own, or every rule's; actions and stages are real ones."""
    own = {"nth", "every", "probability", "seed", "count", "expires"}
    keys = set(Fault.__struct_fields__) - {"name", "stage", "action", "when"}

    assert keys == own | set(TAKEN_BY)
    assert set().union(*TAKEN_BY.values()) <= set(ACTIONS) | set(STAGES)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("title = 1", "bad.toml"),
        (PRESET.replace('"RCPT"', '"bind"').replace('"drop"', '"bind-error"'), "when.peer, which"),
        (PRESET.replace('"drop"', '"lose"'), "bad.toml: the stage RCPT has no action lose"),
        ("[[", "bad.toml"),
    ],
)
def test_a_preset_that_can_not_be_is_told_by_its_file(
    tmp_path: Path, text: str, reason: str
) -> None:
    """Whoever wrote it finds it."""
    (tmp_path / "bad.toml").write_text(text, "utf-8")

    with pytest.raises(ConfigError, match=reason):
        load_presets(tmp_path)
    with pytest.raises(ConfigError, match="there is no folder"):
        load_presets(tmp_path / "none")


def test_a_fault_of_the_settings_is_checked_where_it_stands(tmp_path: Path) -> None:
    """The error names the table and the line."""
    file = tmp_path / "bindpost.toml"
    file.write_text('[[fault]]\nstage = "RCPT"\naction = "lose"\n', "utf-8")

    with pytest.raises(ConfigError, match=r"fault\[0\].*the stage RCPT has no action lose"):
        load(file=file, environ={})

    file.write_text(
        '[[fault]]\nstage = "RCPT"\naction = "drop"\nwhen.recipient = "*@full.test"\n', "utf-8"
    )
    (fault,) = load(file=file, environ={}).settings.fault
    assert fault.when.recipient == "*@full.test"


def test_every_stage_and_action_has_its_words() -> None:
    """The tables of the documentation leave none out, and each action has a stage."""
    assert set(STAGES) == set(get_args(Stage)) == set(ALLOWED)
    assert (
        set(ACTIONS) == set(get_args(Action)) == {one for some in ALLOWED.values() for one in some}
    )


def test_every_stage_has_an_action_that_is_allowed() -> None:
    """The table of stages and actions is one that rules can be made from."""
    for stage, actions in ALLOWED.items():
        for action in actions:
            made = msgspec.convert({"stage": stage, "action": action, "keyword": "X"}, Fault)
            assert problem_of(made) == ""
