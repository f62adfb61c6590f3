"""The inbox for people: the list of messages, and beside it one message from every side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from ..message.digest import Digest
from ..message.links import Link, find_links
from ..message.parse import ParsedMessage, parse
from ..message.parts import Branch, tree
from ..message.text import decode_charset
from ..store.index_state import TellsIndex
from ..store.store import MessageRow, MessageStore
from .display import Display
from .frame import SANDBOX, Frames
from .listener_objects import Listener
from .look import FOLDER, TEXT_SHOWN, Look
from .mailpit_search import search_of
from .requests import LATEST, read_optional_number, refuse, refuse_unknown, row_of
from .searching import Found, find_text

SHOWN: Final = 50
"""Messages that come at once."""
DIGESTED: Final = 256 * 1024
"""Bytes of a message whose first words are put into the list; larger ones would hold it up."""
VIEWS: Final = ("html", "text", "headers", "source", "parts", "links", "session")
"""The sides that a message can be seen from."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A message as one view needs it; what the view doesn't show is empty."""

    content: ParsedMessage
    parts: list[Branch]
    links: list[Link]
    source: str


class Pages:
    """The handlers; `listeners` tells where mail can be sent to, `index` how far that is."""

    def __init__(
        self,
        store: MessageStore,
        display: Display,
        look: Look,
        frames: Frames,
        *,
        listeners: Callable[[], Sequence[Listener]],
        index: TellsIndex | None = None,
    ) -> None:
        self._store = store
        self._display = display
        self._look = look
        self._frames = frames
        self._listeners = listeners
        self._index = index

    def routes(self) -> list[BaseRoute]:
        """Give the routes."""
        return [
            Route("/", self.inbox),
            Route("/view/{id}", self.view),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ]

    async def inbox(self, request: Request) -> Response:
        """Show a page of the list; for its script only the rows, or what stands beside them."""
        listing = await self._listing(request)
        part = request.query_params.get("part", "")
        template = f"{part}.html" if part in ("rows", "nothing") else "inbox.html"
        return self._look.page(template, **listing, row=None)

    async def view(self, request: Request) -> Response:
        """Show a message, and mark it read; for its script only the message."""
        if request.path_params["id"] == LATEST:
            newest = await self._store.find(search_of(request), limit=1)
            return RedirectResponse(f"/view/{newest[0].id}" if newest else "/", 302)
        row = await row_of(self._store, request)
        show = request.query_params.get("show", "")
        if show not in ("", *VIEWS):
            refuse(f"show={show[:40]!r} is none of {', '.join(VIEWS)}")
        seen = await self._display.read(row.id, partial(see, show=show))
        transcript = await self._store.transcript(row.id)
        if seen is None or transcript is None:
            refuse_unknown()
        await self._store.mark([row.id], read=True)
        key = self._frames.remote_key(row.id)
        message = {
            "row": row,
            "message": seen.content,
            "seen": seen,
            "show": show or ("html" if seen.content.html else "text"),
            "transcript": transcript,
            "sandbox": SANDBOX,
            "remote_key": key,
            "remote": request.query_params.get("remote") == key,
        }
        if request.query_params.get("part") == "message":
            return self._look.page("message.html", **message)
        return self._look.page("inbox.html", **message, **await self._listing(request))

    async def _listing(self, request: Request) -> dict[str, object]:
        """Give what the list is made of: a page of it, and how much there is."""
        text = request.query_params.get("q", "")
        before = read_optional_number(request, "before")
        found = await find_text(
            self._store,
            text,
            limit=SHOWN,
            before=before,
            after=read_optional_number(request, "after"),
        )
        return {
            "page": "inbox",
            "found": found,
            "digests": await self._digests(found),
            "counts": await self._store.count(),
            "sequence": self._store.sequence,
            "query": text,
            "before": before,
            "behind": await self._behind(),
            "addresses": [to for known in self._listeners() for to in known.addresses],
        }

    async def _behind(self) -> int:
        """Give how many messages a search must read one by one, if they are worth telling of."""
        if self._index is None:
            return 0
        behind = (await self._index.state()).messages_behind
        return behind if behind > SHOWN else 0

    async def _digests(self, found: Found) -> dict[str, Digest]:
        small: list[MessageRow] = [row for row in found.rows if row.size <= DIGESTED]
        digests = await self._display.digests(small)
        return {row.id: digest for row, digest in zip(small, digests, strict=True)}


def see(raw: bytes, show: str) -> Seen:
    """Look at a message as a view needs it; may take seconds, so run it in an executor."""
    content = parse(raw)
    return Seen(
        content=content,
        parts=tree(raw) if show == "parts" else [],
        links=find_links(content.text, content.html) if show == "links" else [],
        source=decode_charset(raw[: TEXT_SHOWN * 4], "") if show == "source" else "",
    )
