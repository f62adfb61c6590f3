"""The conditions of a rule, compiled: whom a fault strikes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from bindpost.config.fault import When

from ..durable.patterns import Patterns
from ..message.headers import HEADER_LIMIT, read_fields
from ..message.parse import parse
from ..message.regex import compile_pattern
from .facts import Facts

Test = Callable[[str], bool]
TEXT_LIMIT: Final = 8 * 1024
"""Characters of a text that a pattern is looked for in."""
NULL_PATH: Final = "<>"


@final
class Condition:
    """A `When`, compiled. Raises `ValueError` with a sentence for a pattern that is none."""

    def __init__(self, when: When) -> None:
        self._tls = {"yes": True, "no": False}.get(when.tls)
        self._larger, self._smaller = when.larger_than, when.smaller_than
        self._sender = _test(when.sender)
        self._recipient = _test(when.recipient)
        self._subject = _test(when.subject)
        name, _, text = when.header.partition(":")
        self._header_name = name.strip().lower()
        self._header = _test(text.strip()) if when.header else None
        self._plain = [
            (attribute, test)
            for attribute in ("listener", "peer", "helo", "login")
            if (test := _test(getattr(when, attribute))) is not None
        ]

    def holds(self, facts: Facts) -> bool:
        """Say whether a session meets it; what is looked for in the message comes last."""
        return (
            (self._tls is None or self._tls is facts.tls)
            and all(test(getattr(facts, attribute)) for attribute, test in self._plain)
            and (self._sender is None or self._meets_sender(facts))
            and (self._recipient is None or any(map(self._recipient, facts.recipients)))
            and self._meets_message(facts)
        )

    def _meets_sender(self, facts: Facts) -> bool:
        assert self._sender is not None
        return facts.sender is not None and self._sender(facts.sender or NULL_PATH)

    def _meets_message(self, facts: Facts) -> bool:
        wants = self._subject or self._header or self._larger or self._smaller
        if not wants:
            return True
        if facts.raw is None:
            return False
        if self not in facts.judged:
            facts.judged[self] = self._judge(facts.raw)
        return facts.judged[self]

    def _judge(self, raw: bytes) -> bool:
        if not len(raw) > self._larger:
            return False
        if self._smaller and not len(raw) < self._smaller:
            return False
        if self._subject is not None and not self._subject(read_fields(raw).subject):
            return False
        return self._header is None or self._meets_header(raw)

    def _meets_header(self, raw: bytes) -> bool:
        assert self._header is not None
        header, _, _ = raw[:HEADER_LIMIT].partition(b"\r\n\r\n")
        return any(
            field.name.lower() == self._header_name and self._header(field.text)
            for field in parse(header + b"\r\n\r\n").headers
        )


def _test(text: str) -> Test | None:
    """Compile a text of a rule; None where nothing is asked for."""
    if not text:
        return None
    if len(text) > 2 and text.startswith("/") and text.endswith("/"):
        pattern = compile_pattern(text[1:-1])
        return lambda value: pattern.search(value[:TEXT_LIMIT]) is not None
    if "*" in text or "?" in text:
        return Patterns([text]).match
    wanted = text.casefold()
    return lambda value: value.casefold() == wanted
