"""The tables of docs/scenarios.md, made from the model of a scenario file."""

from __future__ import annotations

import sys
from typing import Final

from bindpost.pages import Part

from .document import markdown
from .scenario import Scenario


def scenario_markdown() -> str:
    """Give a Markdown table for each table of a scenario file."""
    return markdown((Scenario,))


PART: Final = Part(
    page="docs/scenarios.md",
    begin="<!-- made by python -m bindpost.config.scenario_document: begin -->",
    end="<!-- made by python -m bindpost.config.scenario_document: end -->",
    make=scenario_markdown,
)

if __name__ == "__main__":
    PART.main(sys.argv[1:])
