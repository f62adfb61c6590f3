"""How pages are made: the templates, what they can call, and the headers that pages have."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse, Response

from ..findings import drawing
from ..findings.words import article, paragraphs
from ..message.links import cut_at_urls
from .markdown import as_html

FOLDER: Final = Path(__file__).parent
TEXT_SHOWN: Final = 200_000
"""Characters of a text on a page; the raw source has the rest."""
NEW_TAB: Final = Markup('target="_blank" rel="noopener noreferrer"')
"""The attributes of a link that leads out of bindpost."""

PAGE_HEADERS: Final = {
    # No script or style inside a page, nothing from elsewhere, and only our own frames.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    # Else a form that is sent without scripts would come from `null`, and be refused.
    "Referrer-Policy": "same-origin",
    # A page that a mail's link opens must not get hold of this one (rel=opener asks for it).
    "Cross-Origin-Opener-Policy": "same-origin",
    # Looking up the host of a link tells its owner that the mail was opened.
    "X-DNS-Prefetch-Control": "off",
}


class Look:
    """The templates, for all pages of an app."""

    def __init__(self, *, version: str) -> None:
        self._templates = Environment(
            loader=FileSystemLoader([FOLDER / "templates", drawing.TEMPLATES]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            moment=show_moment,
            paragraphs=paragraphs,
            size=show_size,
            clip=clip,
            linked=show_linked,
            web_link=is_web_link,
        )
        self._templates.filters["markdown"] = as_html
        self._templates.globals.update(version=version, new_tab=NEW_TAB, article=article)

    def page(self, template: str, **values: object) -> Response:
        """Make a page, or the part of one that its script puts in."""
        text = self._templates.get_template(template).render(values)
        return HTMLResponse(text, headers=PAGE_HEADERS)


def show_moment(moment: datetime) -> str:
    """Write a moment as `2026-03-01 12:30:05 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def show_size(size: int) -> str:
    """Write a number of bytes for a reader: `999 B`, `1.5 KiB`."""
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KiB", "MiB"):
        amount /= 1024
        if amount < 1024:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1024:.1f} GiB"


def clip(text: str) -> str:
    """Cut a long text, and say so."""
    if len(text) <= TEXT_SHOWN:
        return text
    return text[:TEXT_SHOWN] + "\n[... the raw source has the rest]"


def show_linked(text: str) -> Markup:
    """Write a text with its URLs as links."""
    pieces = []
    for before, url in cut_at_urls(text):
        pieces.append(escape(before))
        if url:
            pieces.append(Markup('<a href="{0}" {1}>{0}</a>').format(url, NEW_TAB))
    return Markup("").join(pieces)


def is_web_link(url: str) -> bool:
    """Say whether a link of a mail may be one on a page: the rest (`javascript:`) is only text."""
    return url.lower().startswith(("https://", "http://", "mailto:"))
