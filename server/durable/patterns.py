"""Patterns of addresses."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import final


@final
class Patterns:
    """
    Address patterns such as `*@example.org`: `*` is any text, `?` any character, case is ignored.

    An address matches when one of them matches the whole of it.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.texts = tuple(patterns)
        # Brackets are part of an address (an address literal), not a set of characters.
        self._compiled = [
            re.compile(fnmatch.translate(text.casefold().replace("[", "[[]")))
            for text in self.texts
        ]

    def __bool__(self) -> bool:
        return bool(self.texts)

    def match(self, address: str) -> bool:
        """Say whether an address matches."""
        return any(pattern.match(address.casefold()) for pattern in self._compiled)
