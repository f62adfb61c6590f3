"""The blocks of configuration in docs/, so that tests run the very words that people copy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).parents[2] / "docs"


def block(page: str, language: str, changes: Mapping[str, str]) -> str:
    """Give the first block of a page in a language, with some of its words changed."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    text = found[1]
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text
