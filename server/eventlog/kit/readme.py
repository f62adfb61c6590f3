"""The kit's README: what each file is for, how it is installed, and what nobody has tried."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

TEMPLATE: Final = "readme.md"


def readme(version: str, dll_path: str) -> bytes:
    """Give the page, in Markdown."""
    text = files(__package__).joinpath(TEMPLATE).read_text("utf-8")
    return text.replace("@VERSION@", version).replace("@DLL_PATH@", dll_path).encode()
