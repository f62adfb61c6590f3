"""The little Markdown that Can I email's texts and our own have, code and links, as HTML."""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup, escape

_CODE: Final = re.compile(r"`([^`]+)`")
_LINK: Final = re.compile(r"\[([^\]]+)\]\((https?://[^)\s]+)\)")


def as_html(markdown: str) -> Markup:
    """Write it as HTML; whatever else is in it is only text."""
    text = _CODE.sub(r"<code>\1</code>", str(escape(markdown)))
    text = _LINK.sub(r'<a href="\2" target="_blank" rel="noopener noreferrer">\1</a>', text)
    return Markup(text)  # noqa: S704 - it was escaped first
