"""The tables of docs/faults.md, made from the model of a fault and from the presets."""

from __future__ import annotations

import sys
from typing import Final

from bindpost.config.document import markdown
from bindpost.config.fault import ACTIONS, ALLOWED, STAGES, Fault
from bindpost.pages import Part, table

from .presets import load_presets


def fault_markdown() -> str:
    """Give the tables of stages, actions, keys and conditions, and the presets with their rules."""
    stages = (
        (f"`{name}`", words, ", ".join(f"`{action}`" for action in ALLOWED[name]))
        for name, words in STAGES.items()
    )
    actions = ((f"`{name}`", words) for name, words in ACTIONS.items())
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
            "### Presets",
            table(("preset", "title", "story"), presets),
        ]
    )


PART: Final = Part(
    page="docs/faults.md",
    begin="<!-- made by python -m bindpost.server.faults.document: begin -->",
    end="<!-- made by python -m bindpost.server.faults.document: end -->",
    make=fault_markdown,
)

if __name__ == "__main__":
    PART.main(sys.argv[1:])
