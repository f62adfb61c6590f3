"""The tables of docs/faults.md, made from the model of a fault and from the presets."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from bindpost.config.document import markdown
from bindpost.config.fault import (
    ACTIONS,
    ALLOWED,
    BEFORE_TLS,
    KNOWN_FROM,
    ORDER,
    STAGES,
    TAKEN_BY,
    Fault,
)
from bindpost.pages import Part, table

from .presets import load_presets


def fault_markdown() -> str:
    """Give the tables of stages, actions, keys and conditions, and the presets."""
    stages = ((f"`{name}`", words, _listed(ALLOWED[name])) for name, words in STAGES.items())
    conditions = ((f"`when.{name}`", f"`{first}`") for name, first in KNOWN_FROM.items())
    actions = ((f"`{name}`", words) for name, words in ACTIONS.items())
    keys = ((f"`{name}`", _listed(takers)) for name, takers in TAKEN_BY.items())
    presets = ((f"`{one.name}`", one.title, one.story) for one in load_presets().values())
    return "\n\n".join(
        [
            "### Stages",
            table(("stage", "when it comes", "actions"), stages),
            "### Actions",
            table(("action", "what it does"), actions),
            markdown((Fault,))
            .strip()
            .replace("### Top of the file", "### `[[fault]]`", 1)
            .replace("### `[when]`", "### `[fault.when]`", 1),
            "### When a condition can hold",
            f"The stages in this order: {_listed(ORDER)}. At {_listed(BEFORE_TLS)} `when.tls` "
            "can't be `yes`.",
            table(("condition", "from this stage on"), conditions),
            "### Keys that not every rule takes",
            table(("key", "actions and stages"), keys),
            "### Presets",
            table(("preset", "title", "story"), presets),
        ]
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


PART: Final = Part(
    page="docs/faults.md",
    begin="<!-- made by python -m bindpost.server.faults.document: begin -->",
    end="<!-- made by python -m bindpost.server.faults.document: end -->",
    make=fault_markdown,
)

if __name__ == "__main__":
    PART.main(sys.argv[1:])
