"""What a scenario's texts become on a page or in the report."""

from __future__ import annotations

from typing import Final

_KB: Final = "https://jeffpar.github.io/kbarchive/kb/{}/{}/"
"""An archive of the Knowledge Base, by the article's first three digits."""


def article(name: str) -> str:
    """Give the address of a Knowledge Base article."""
    return _KB.format(name.removeprefix("Q")[:3], name)


def paragraphs(text: str) -> list[str]:
    """Cut a text at its empty lines, each part on one line."""
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
