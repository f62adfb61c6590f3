"""Tells a scenario in words, for `bindpost lab show`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from bindpost.config.scenario import RUNS, Expect, Phase, Scenario
from bindpost.config.scenario_file import ScenarioFile

from .servers import choose

_WIDTH: Final = 96
_PLACES: Final = {
    "exchange": "from the machine itself",
    "proxy": "from the proxy",
    "internet": "from outside",
}


def tell(file: ScenarioFile) -> Iterator[str]:
    """Give the lines of a scenario's story, servers, files and phases."""
    scenario = file.scenario
    yield f"{file.name}: {scenario.title}"
    yield from _facts(file)
    yield ""
    for paragraph in scenario.story.strip().split("\n\n"):
        yield from textwrap.wrap(" ".join(paragraph.split()), _WIDTH)
        yield ""
    for name, server in scenario.server.items():
        program = server.program or "bindpost " + " ".join(server.bindpost)
        substitute = f"; without it: {server.otherwise}" if server.otherwise else ""
        yield f"{name} runs on the {server.on} machine: {server.words}"
        yield f"    {program}{substitute}"
    for number, phase in enumerate(scenario.phase, start=1):
        yield ""
        yield from _phase(number, phase)
    yield ""
    yield f"bindpost lab run {file.name}"


def servers(scenario: Scenario, phase: Phase) -> tuple[str, ...]:
    """Say what runs on each machine in a phase: `proxy: a Winsock Proxy`, stand-ins included."""
    chosen = (scenario.server[choose(scenario, name)[0]] for name in phase.run)
    return tuple(f"{server.on}: {server.words}" for server in chosen)


def _facts(file: ScenarioFile) -> Iterator[str]:
    scenario = file.scenario
    if scenario.articles:
        yield f"articles  {', '.join(f'KB {article}' for article in scenario.articles)}"
    yield f"cause     {scenario.cause}"


def _phase(number: int, phase: Phase) -> Iterator[str]:
    yield f"{number}. {phase.name}: {phase.title}"
    for line in textwrap.wrap(" ".join(phase.words.split()), _WIDTH - 4):
        yield f"    {line}"
    if phase.run:
        yield f"    runs: {', '.join(phase.run)}"
    if phase.files:
        yield f"    files that differ: {', '.join(phase.files)}"
    for line in expectations(phase.expect):
        yield f"    - {line}"


def expectations(expect: Expect) -> Iterator[str]:
    """Say what must be observed in a phase, an expectation at a time."""
    if expect.check > 0:
        yield f"`bindpost check` foretells {expect.check}"
    yield "the service runs" if expect.exit == RUNS else f"the service ends with {expect.exit}"
    for event in expect.event:
        strings = f" ({', '.join(event.strings)})" if event.strings else ""
        alternatives = event.alternatives().items()
        fields = "".join(f", {name} {' or '.join(texts)}" for name, texts in alternatives)
        may = "perhaps " if event.optional else ""
        yield f"{may}event {event.source} {event.id}{strings}{fields}"
    for role, words in _PLACES.items():
        reached = getattr(expect.reach, role)
        if reached != "untried":
            yield f"{words}: {reached}"
