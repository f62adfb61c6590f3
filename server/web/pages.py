"""The pages for people: the newest messages, and one message with all that is known of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from ..store.store import MessageStore
from .display import Display
from .mailpit_search import search_of
from .requests import LATEST, refuse_unknown, row_of

SHOWN: Final = 50
"""Messages on the first page."""
TEXT_SHOWN: Final = 200_000
"""Characters of a text on a page; the raw source has the rest."""
_FOLDER: Final = Path(__file__).parent


class Pages:
    """The handlers."""

    def __init__(self, store: MessageStore, display: Display, *, version: str) -> None:
        self._store = store
        self._display = display
        self._templates = Environment(
            loader=FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(moment=show_moment, size=show_size, clip=_clip)
        self._templates.globals.update(version=version)

    def routes(self) -> list[BaseRoute]:
        """Give the routes."""
        return [
            Route("/", self.inbox),
            Route("/view/{id}", self.view),
            Mount("/static", StaticFiles(directory=_FOLDER / "static")),
        ]

    async def inbox(self, _: Request) -> Response:
        """Show the newest messages."""
        rows = await self._store.find(limit=SHOWN)
        counts = await self._store.count()
        return self._page("inbox.html", rows=rows, counts=counts)

    async def view(self, request: Request) -> Response:
        """Show a message, and mark it read."""
        if request.path_params["id"] == LATEST:
            newest = await self._store.find(search_of(request), limit=1)
            return RedirectResponse(f"/view/{newest[0].id}" if newest else "/", 302)
        row = await row_of(self._store, request)
        message = await self._display.parsed(row.id)
        transcript = await self._store.transcript(row.id)
        if message is None or transcript is None:
            refuse_unknown()
        await self._store.mark([row.id], read=True)
        return self._page("message.html", row=row, message=message, transcript=transcript)

    def _page(self, template: str, **values: object) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(values))


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


def _clip(text: str) -> str:
    if len(text) <= TEXT_SHOWN:
        return text
    return text[:TEXT_SHOWN] + "\n[... the raw source has the rest]"
