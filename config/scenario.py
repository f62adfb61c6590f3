"""A lab scenario: what runs on which machine, what goes wrong, what shows it, what cures it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from .kinds import Table

RUNS: Final = -1
"""In place of an exit status: the service goes on running."""
NOT_ASKED: Final = -1
"""In place of a code: `bindpost check` is not run."""

Role = Literal["exchange", "proxy", "internet"]
"""A machine of the lab."""
Reached = Literal[
    "untried", "mail", "banner", "other banner", "closed", "silent", "refused", "unreachable"
]
"""What somebody gets who dials the listener; docs/lab.md tells them apart."""
Pattern = str | tuple[str, ...]
"""A part of a text, or several of which one must be in it."""
Text = Annotated[str, Meta(extra={"kind": "text"})]
"""A text of any number of lines."""


class ExpectedEvent(Table, frozen=True, kw_only=True):
    """An event that must be logged, `[[phase.expect.event]]`; they come in this order."""

    source: Annotated[str, Meta(description="Source of the event.")] = "MSExchangeIMC"
    id: Annotated[int, Meta(ge=1, description="Its number.")]
    strings: Annotated[
        tuple[str, ...], Meta(description="Its insertion strings; empty = whatever they are.")
    ] = ()
    fields: Annotated[
        dict[str, Pattern],
        Meta(
            description="Fields beside the sentence (`hop`, `peer`), each with a part of its text, "
            "or with several in a list, of which one must be in it."
        ),
    ] = msgspec.field(default_factory=dict)
    optional: Annotated[
        bool, Meta(description="Whether it may stay away; if it comes, it is no surprise.")
    ] = False

    def alternatives(self) -> Mapping[str, tuple[str, ...]]:
        """Give for each field the texts of which one must be in it."""
        return {
            name: (pattern,) if isinstance(pattern, str) else pattern
            for name, pattern in self.fields.items()
        }


class ExpectedReach(Table, frozen=True, kw_only=True):
    """Who gets what from the listener, `[phase.expect.reach]`."""

    exchange: Annotated[
        Reached, Meta(description="The machine itself, dialling its own address.")
    ] = "untried"
    proxy: Annotated[
        Reached, Meta(description="The proxy, dialling that address over the inner network.")
    ] = "untried"
    internet: Annotated[
        Reached, Meta(description="A host outside, dialling the proxy's external address.")
    ] = "untried"


class Expect(Table, frozen=True, kw_only=True):
    """What must be observed in a phase, `[phase.expect]`."""

    exit: Annotated[
        int,
        Meta(
            ge=RUNS,
            le=255,
            description="Exit status of the service; -1 = it runs, and stops cleanly when asked.",
        ),
    ] = RUNS
    check: Annotated[
        int,
        Meta(
            ge=NOT_ASKED,
            description="Code that `bindpost check` foretells before the start; 0 = it would bind, "
            "-1 = not asked.",
        ),
    ] = NOT_ASKED
    event: Annotated[
        tuple[ExpectedEvent, ...],
        Meta(description="Events in their order. An Error that is not among them is a failure."),
    ] = ()
    reach: ExpectedReach = ExpectedReach()


class Phase(Table, frozen=True, kw_only=True):
    """One step of the story, the fault or a cure, `[[phase]]`; they are gone through in order."""

    name: Annotated[str, Meta(description="Short name: `fault`, `cure`, `no-name`.")]
    title: Annotated[str, Meta(description="What is so in this phase, in one line.")]
    words: Annotated[Text, Meta(description="What is changed, and why it matters.")] = ""
    kind: Annotated[
        Literal["healthy", "fault", "cure"], Meta(description="What the phase shows.")
    ] = "fault"
    run: Annotated[
        tuple[str, ...],
        Meta(description="Servers that run; one of the phase before that isn't named is stopped."),
    ] = ()
    service: Annotated[
        Literal["restart", "keep"],
        Meta(description="Whether the service is started anew or goes on from the phase before."),
    ] = "restart"
    files: Annotated[
        dict[str, Text],
        Meta(description="Files of the service in place of the scenario's, by name."),
    ] = msgspec.field(default_factory=dict)
    expect: Expect = Expect()


class Server(Table, frozen=True, kw_only=True):
    """A program that runs on one of the machines, `[server.NAME]`."""

    words: Annotated[str, Meta(description="What it is, in one line.")]
    on: Annotated[Role, Meta(description="The machine that it runs on.")] = "proxy"
    bindpost: Annotated[
        tuple[str, ...],
        Meta(description="Arguments of a bindpost command; `--ready-file FILE` is added."),
    ] = ()
    program: Annotated[str, Meta(description="Name of another program, looked up in PATH.")] = ""
    arguments: Annotated[tuple[str, ...], Meta(description="Its arguments.")] = ()
    files: Annotated[
        dict[str, Text], Meta(description="Files that are written into its folder first.")
    ] = msgspec.field(default_factory=dict)
    prepare: Annotated[
        tuple[str, ...], Meta(description="Shell commands that are run in its folder before it.")
    ] = ()
    ready: Annotated[
        str,
        Meta(
            description="Part of the line that it says when it is up; empty = `$control` answers."
        ),
    ] = ""
    otherwise: Annotated[
        str, Meta(description="Server that takes its place if the program is not installed.")
    ] = ""


class Scenario(Table, frozen=True, kw_only=True):
    """The whole file."""

    title: Annotated[str, Meta(description="The case in one line.")]
    articles: Annotated[
        tuple[str, ...], Meta(description="Knowledge Base articles that describe it: `Q203116`.")
    ] = ()
    cause: Annotated[str, Meta(description="What is wrong, in a few words.")]
    story: Annotated[
        Text, Meta(description="What happens and why, for somebody who never heard of it.")
    ]
    port: Annotated[
        int,
        Meta(
            ge=1,
            le=65535,
            description="The mail port, where the machines have networks of their own.",
        ),
    ] = 25
    control: Annotated[
        int, Meta(ge=1, le=65535, description="The proxy's own port there: 1745, 1080, 22.")
    ] = 1745
    files: Annotated[
        dict[str, Text],
        Meta(description="Files of the service: `bindpost.toml`, `wspcfg.ini`, `etc/hosts`."),
    ]
    server: Annotated[
        dict[str, Server], Meta(description="Programs on the machines, `[server.NAME]`.")
    ] = msgspec.field(default_factory=dict)
    phase: Annotated[tuple[Phase, ...], Meta(description="The phases, in order.")]
