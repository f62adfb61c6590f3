"""Scenarios that cost next to nothing, a laboratory that has them, and the app over it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette

from bindpost.config.scenario_file import ScenarioFile, read_text
from bindpost.server.lab.archive import Archive
from bindpost.server.laboratory import Laboratory
from bindpost.server.store.memory import MemoryStore
from bindpost.server.web.app import create_app
from bindpost.server.web.run_rule import RunRule

ANYBODY = RunRule("loopback", is_exposed=lambda: False, needs_login=False)
SHORT = """\
title = "A listener that cannot be"
articles = ["Q203116"]
cause = "nobody has that address"
story = '''
It binds an `address` of nobody's.

And so it ends.
'''

[files]
"bindpost.toml" = '''
hostname = "$hostname"
web = "off"
data = ":memory:"
[[listener]]
endpoint = "192.0.2.1:$port"
'''

[[phase]]
name = "fault"
title = "The address is not ours"
[phase.expect]
exit = 69
[[phase.expect.event]]
id = 4007
strings = ["10049"]
[[phase.expect.event]]
id = 4020
[[phase.expect.event]]
source = "bindpost"
id = 113

[[phase]]
name = "again"
title = "Nothing was changed, and the service is not there"
service = "keep"
[phase.expect]
exit = 69
"""
HANGING = """\
title = "A program that never gets up"
cause = "it says nothing"
story = "It hangs."

[files]
"bindpost.toml" = ""

[server.silent]
words = "a silent program"
program = "sh"
arguments = ["-c", "exec 9> ALIVE; sleep 600 > /dev/null 2>&1 & exec sleep 600"]
ready = "up"

[[phase]]
name = "fault"
title = "It hangs"
run = ["silent"]
"""


def tiny(alive: Path | None = None) -> Mapping[str, ScenarioFile]:
    """Give them: `hanging` has a FIFO `alive` open for writing as long as any of it runs."""
    hanging = HANGING.replace("ALIVE", str(alive or "/dev/null"))
    return {
        name: read_text(name, text, Path(f"{name}.toml"))
        for name, text in {"short": SHORT, "hanging": hanging}.items()
    }


def app_over(laboratory: Laboratory, store: MemoryStore, rule: RunRule = ANYBODY) -> Starlette:
    """Give the web app over a laboratory."""
    return create_app(store, ready=lambda: True, version="1", scenarios=laboratory, run_rule=rule)


def laboratory(root: Path | None, alive: Path | None = None, **options: float) -> Laboratory:
    """Give a laboratory whose evidence is kept in a folder."""
    return Laboratory(tiny(alive), Archive(root, keep=3), **options)
