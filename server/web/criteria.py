"""What is asked for beyond a store's query: texts by pattern, header fields, a link."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..message.found import find
from ..message.parse import ParsedMessage
from ..message.regex import Pattern, compile_pattern
from ..store.store import MessageRow
from .display import Display
from .waiting import Holds

CONDITION_LIMIT: Final = 10
"""Header fields that one request may ask for."""
TEXT_LIMIT: Final = 8 * 1024
"""Characters of a text that a pattern is looked for in."""
_NAME: Final = re.compile("[!-9;-~]+")


@dataclass(frozen=True, slots=True)
class HeaderCondition:
    """That a message has a field of this name, with this decoded value, or one that matches."""

    name: str
    value: str | None
    pattern: Pattern | None

    def holds(self, message: ParsedMessage) -> bool:
        """Say whether it does."""
        return any(
            (self.value is None or field.text == self.value)
            and (self.pattern is None or self.pattern.search(field.text[:TEXT_LIMIT]) is not None)
            for field in message.headers
            if field.name.lower() == self.name
        )


@dataclass(frozen=True, slots=True)
class Criteria:
    """Conditions that all must hold; without any, everything matches."""

    subject: Pattern | None = None
    headers: tuple[HeaderCondition, ...] = ()
    has_link: bool = False

    @classmethod
    def make(
        cls,
        *,
        subject_regex: str | None = None,
        headers: Iterable[str] = (),
        header_regexes: Iterable[str] = (),
        has_link: bool = False,
    ) -> Criteria:
        """
        Make them from texts: patterns in RE2's syntax, fields as `NAME: VALUE`.

        Raises `ValueError` with a sentence for what can't be used.
        """
        conditions = [
            *(HeaderCondition(*_field(text), None) for text in headers),
            *(_matching(*_field(text)) for text in header_regexes),
        ]
        if len(conditions) > CONDITION_LIMIT:
            raise ValueError(f"more than {CONDITION_LIMIT} header fields are asked for")
        subject = None if subject_regex is None else compile_pattern(subject_regex)
        return cls(subject, tuple(conditions), has_link)

    def of(self, display: Display) -> Holds | None:
        """Give what says whether a message meets them; None if every message does."""

        async def holds(row: MessageRow) -> bool:
            return await self.hold(row, display)

        return None if self == Criteria() else holds

    async def hold(self, row: MessageRow, display: Display) -> bool:
        """Say whether a message meets them; one that is gone doesn't."""
        if self.subject is not None and not self.subject.search(row.fields.subject):
            return False
        if not self.headers and not self.has_link:
            return True
        message = await display.parsed(row.id)
        return message is not None and await display.look(self._hold, message)

    def _hold(self, message: ParsedMessage) -> bool:
        return all(condition.holds(message) for condition in self.headers) and (
            not self.has_link or bool(find(message).links)
        )


def _matching(name: str, pattern: str) -> HeaderCondition:
    return HeaderCondition(name, None, compile_pattern(pattern))


def _field(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not _NAME.fullmatch(name):
        raise ValueError(f"{text[:80]!r} is no header field; write NAME: VALUE")
    return name.lower(), value.strip()
