"""The JSON objects of faults: the rules in force, what has fired, and the presets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from bindpost.config.fault import Fault, When, summary_of
from bindpost.config.fault_change import Change

from ..faults import Armed, Faults, Firing, presets
from .responses import Moment


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """
    A rule in force.

    `summary` says in a few words what it does. `met` counts how often its conditions held, `fired`
    how often it struck. `seconds_left` is the time until it expires, null if it does not.
    """

    name: str
    summary: str
    origin: Literal["file", "api", "chaos", "jim"]
    met: int
    fired: int
    seconds_left: float | None
    rule: Fault


class Rules(msgspec.Struct, frozen=True):
    """Rules, in the order in which they are asked."""

    faults: Sequence[Rule]


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that fired, and on whom. `number` counts them; `session` is that of the message."""

    number: int
    time: Moment
    name: str
    stage: str
    action: str
    listener: str
    peer: str
    sender: str | None
    recipients: Sequence[str]
    session: str


class Log(msgspec.Struct, frozen=True):
    """What has fired, oldest first."""

    fired: Sequence[Fired]


class Removed(msgspec.Struct, frozen=True):
    """How many rules were removed."""

    removed: int


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """A preset: its story, and the rules that it stands for."""

    name: str
    title: str
    story: str
    rules: Sequence[Fault]


class Presets(msgspec.Struct, frozen=True):
    """All presets, by name."""

    presets: Sequence[Preset]


class Use(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    How a preset is used: `when` narrows each of its rules further.

    `change` has keys of a rule with other values; each rule takes those that its action has a use
    for.
    """

    when: When = When()
    change: Change = {}


class LeftOut(msgspec.Struct, frozen=True):
    """A rule of a preset at whose stage the condition can't hold yet, as `reason` says."""

    name: str
    summary: str
    reason: str


class Used(msgspec.Struct, frozen=True):
    """The rules of a preset that were put into force, and those that were left out."""

    faults: Sequence[Rule]
    left_out: Sequence[LeftOut]


def rule(armed: Armed, faults: Faults) -> Rule:
    """Tell of a rule in force."""
    return Rule(
        name=armed.fault.name,
        summary=summary_of(armed.fault),
        origin=armed.origin,
        met=armed.met,
        fired=armed.fired,
        seconds_left=faults.seconds_left(armed),
        rule=armed.fault,
    )


def used(one: presets.Used, faults: Faults) -> Used:
    """Tell of a preset that is in force."""
    return Used(
        [rule(armed, faults) for armed in one.added],
        [LeftOut(*left) for left in one.left_out],
    )


def fired(firing: Firing) -> Fired:
    """Tell of a rule that fired."""
    return Fired(
        number=firing.number,
        time=firing.when,
        name=firing.name,
        stage=firing.stage,
        action=firing.action,
        listener=firing.listener,
        peer=firing.peer,
        sender=firing.sender,
        recipients=firing.recipients,
        session=firing.session,
    )
