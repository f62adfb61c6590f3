"""Makes the few words of a message that a list shows."""

from __future__ import annotations

import html
import re
from typing import Final

SNIPPET_BYTES: Final = 200
"""Length of a snippet in UTF-8, as Mailpit cuts it."""
_LOOKED_AT: Final = 32 * 1024

# What is hidden ends at the text's end when nothing closes it, so the time stays linear.
_HIDDEN: Final = re.compile(
    r"<!--.*?(?:-->|\Z)|<(head|style|script|title)\b.*?(?:</\1\s*+>|\Z)", re.DOTALL | re.IGNORECASE
)
_INLINE_TAG: Final = re.compile(
    r"</?(?:a|b|big|code|em|font|i|s|small|span|strong|u)\b[^<>]*+>", re.IGNORECASE
)
_TAG: Final = re.compile(r"</?[a-z!?][^<>]*+>", re.IGNORECASE)


def make_snippet(text: str, markup: str) -> str:
    """Give the first words of the HTML form, or of the text when there is no HTML."""
    source = strip_markup(markup[:_LOOKED_AT]) if markup else text[:_LOOKED_AT]
    words = " ".join(source.split())
    octets = words.encode()
    if len(octets) <= SNIPPET_BYTES:
        return words
    return octets[:SNIPPET_BYTES].decode("utf-8", "ignore").rstrip() + "..."


def strip_markup(markup: str) -> str:
    """Give the words of an HTML text without its tags; good for a glance, not for security."""
    shown = _TAG.sub(" ", _INLINE_TAG.sub("", _HIDDEN.sub(" ", markup)))
    return html.unescape(shown)
