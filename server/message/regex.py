"""Patterns that somebody sent, compiled by RE2, which is linear in the text."""

from __future__ import annotations

from typing import Any, Final, Protocol

PATTERN_LIMIT: Final = 200
"""Characters of a pattern."""
_MEMORY_LIMIT: Final = 1 << 20
"""Bytes that a compiled pattern may take."""


class Pattern(Protocol):
    """A compiled pattern."""

    def search(self, text: str) -> object | None:
        """Give something when the pattern is in the text."""
        ...


def compile_pattern(pattern: str) -> Pattern:
    """
    Compile a pattern that somebody sent.

    RE2 bounds its memory, and its time is linear in the text: patterns come from outside, and so do
    the texts. Raises `ValueError` for what is none, and where RE2 is not installed.
    """
    if len(pattern) > PATTERN_LIMIT:
        raise ValueError(f"a pattern is longer than {PATTERN_LIMIT} characters")
    re2 = _re2()
    options = re2.Options()
    options.max_mem = _MEMORY_LIMIT
    options.log_errors = False
    try:
        compiled: Pattern = re2.compile(pattern, options)
    except (re2.error, UnicodeError) as error:
        reason = error.args[0] if error.args else ""
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(error)
        raise ValueError(f"the pattern {pattern!r} is none of RE2's: {text}") from None
    return compiled


def _re2() -> Any:  # Any: it has no types
    try:
        import re2  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise ValueError("patterns need the package google-re2: install bindpost[regex]") from None
    return re2
