"""The inbox for people: the list of messages, and beside it one message from every side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final
from urllib.parse import parse_qs, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from ..linkcheck.result import LinkResult
from ..message.digest import Digest
from ..message.links import Link, find_addresses, find_links
from ..message.parse import ParsedMessage, parse
from ..message.parts import Branch, tree
from ..message.text import decode_charset
from ..store.index_state import TellsIndex
from ..store.store import Counts, MessageRow, MessageStore
from .check_page import make_page
from .checking import Checks
from .display import Display
from .frame import SANDBOX, Signature
from .listener_objects import Listener
from .look import FOLDER, TEXT_SHOWN, Look
from .mailboxes import Directory
from .mailpit_search import search_of
from .requests import LATEST, read_body, read_optional_number, refuse, refuse_unknown, row_of
from .searching import Found, find_text

SHOWN: Final = 50
"""Messages that come at once."""
LISTED: Final = 500
"""Mailboxes that can be chosen on the page; others by their name in its address."""
DIGESTED: Final = 256 * 1024
"""Bytes of a message whose first words are put into the list; larger ones would hold it up."""
_DRAWING: Final = ("bindpost.server.findings", "static")
"""Where the style of drawings is, which the lab's report has too."""
FORM_LIMIT: Final = 1024
"""Bytes of a form of ours."""
VIEWS: Final = ("html", "text", "headers", "source", "parts", "links", "check", "session")
"""The sides that a message can be seen from."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A message as one view needs it; what the view doesn't show is empty."""

    content: ParsedMessage
    parts: list[Branch]
    links: list[Link]
    has_addresses: bool
    source: str


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where somebody looks: a mailbox, None for the whole inbox.

    `is_own` says that it is their own, and all that they may see.
    """

    mailbox: str | None = None
    is_own: bool = False


class Pages:
    """
    The handlers.

    `listeners` tells where mail can be sent to, `directory` of the mailboxes, `index` how far the
    search index is.
    """

    def __init__(
        self,
        store: MessageStore,
        display: Display,
        look: Look,
        signature: Signature,
        checks: Checks,
        *,
        listeners: Callable[[], Sequence[Listener]],
        place: Place,
        directory: Directory,
        index: TellsIndex | None = None,
    ) -> None:
        self._store = store
        self._display = display
        self._look = look
        self._signature = signature
        self._checks = checks
        self._listeners = listeners
        self._place = place
        self._directory = directory
        self._index = index

    def routes(self) -> list[BaseRoute]:
        """Give the routes."""
        return [
            Route("/", self.inbox),
            Route("/view/{id}", self.view),
            Route("/view/{id}/links", self.ask_for_links, methods=["POST"]),
            Mount("/static", StaticFiles(directory=FOLDER / "static", packages=[_DRAWING])),
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
            path = f"/view/{newest[0].id}" if newest else "/"
            return RedirectResponse(
                f"{path}?{urlencode(self._within)}" if self._within else path, 302
            )
        row = await row_of(self._store, request)
        show = request.query_params.get("show", "")
        if show not in ("", *VIEWS):
            refuse(f"show={show[:40]!r} is none of {', '.join(VIEWS)}")
        return await self._show(request, row, show)

    async def ask_for_links(self, request: Request) -> Response:
        """Ask for a message's links, and show them with what came of each."""
        body = await read_body(request, limit=FORM_LIMIT)
        form = parse_qs(body.decode("utf-8", "replace"))
        row = await row_of(self._store, request)
        parsed = await self._display.parsed(row.id) or refuse_unknown()
        follow = "follow" in form
        results = await self._checks.links(parsed, follow=follow)
        return await self._show(request, row, "links", asked=results, follow=follow)

    async def _show(
        self,
        request: Request,
        row: MessageRow,
        show: str,
        *,
        asked: Sequence[LinkResult] | None = None,
        follow: bool = False,
    ) -> Response:
        seen = await self._display.read(row.id, partial(see, show=show))
        transcript = await self._store.transcript(row.id)
        if seen is None or transcript is None:
            refuse_unknown()
        await self._store.mark([row.id], read=True)
        key = self._signature.of(row.id)
        message = {
            "row": row,
            "message": seen.content,
            "seen": seen,
            "show": show or ("html" if seen.content.html else "text"),
            "transcript": transcript,
            "sandbox": SANDBOX,
            "remote_key": key,
            "remote": request.query_params.get("remote") == key,
            "asks_for_links": self._checks.asks_for_links,
            "results": None if asked is None else {each.url: each for each in asked},
            "errors": sum(each.is_error for each in asked or ()),
            "follow": follow,
            "check": None,
            "within": self._within,
            "place": self._place,
        }
        if show == "check" and seen.content.html:
            checked, figures = await self._checks.html(seen.content)
            family = request.query_params.get("family", "")
            message["check"] = make_page(checked, figures, family)
        if request.query_params.get("part") == "message":
            return await self._display.call(self._look.page, "message.html", **message)
        listing = await self._listing(request)
        return await self._display.call(self._look.page, "inbox.html", **listing | message)

    async def _listing(self, request: Request) -> dict[str, object]:
        """Give what the list is made of: a page of it, and how much there is."""
        text = request.query_params.get("q", "")
        before = read_optional_number(request, "before")
        sequence = self._store.sequence  # first: what comes while this looks is told afterwards
        found = await find_text(
            self._store,
            text,
            limit=SHOWN,
            before=before,
            after=read_optional_number(request, "after"),
        )
        return {
            "page": "inbox",
            "place": self._place,
            "mailboxes": await self._choice(),
            "within": self._within,
            "found": found,
            "digests": await self._digests(found),
            "counts": await self._store.count(),
            "sequence": sequence,
            "query": text,
            "before": before,
            "behind": await self._behind(),
            "addresses": [to for known in self._listeners() for to in known.addresses],
        }

    async def _choice(self) -> dict[str, Counts]:
        """Give the mailboxes that can be chosen."""
        if self._place.is_own:
            return {}
        return dict(islice((await self._directory.mailboxes()).items(), LISTED))

    @property
    def _within(self) -> dict[str, str]:
        """What links of a page must have in their query to stay in a mailbox that was chosen."""
        is_chosen = self._place.mailbox is not None and not self._place.is_own
        return {"mailbox": self._place.mailbox or ""} if is_chosen else {}

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
    links = find_links(content.text, content.html) if show == "links" else []
    return Seen(
        content=content,
        parts=tree(raw) if show == "parts" else [],
        links=links,
        has_addresses=show == "links" and bool(find_addresses(links, content.html)),
        source=decode_charset(raw[: TEXT_SHOWN * 4], "") if show == "source" else "",
    )
