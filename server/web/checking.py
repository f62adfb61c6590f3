"""The checks of a message, for the pages and both APIs: its HTML in mail programs, its links."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..htmlcheck.check import Checked
from ..htmlcheck.checker import HtmlChecker
from ..htmlcheck.figures import Figures
from ..linkcheck.checker import LinkChecker
from ..linkcheck.result import LinkResult
from ..message.links import find_addresses, find_links
from ..message.parse import ParsedMessage
from ..store.store import MessageRow, MessageStore
from . import check_objects, mailpit_check_objects
from .display import Display
from .mailpit_search import search_of
from .requests import LATEST, read_flag, refuse, refuse_unknown, row_of
from .responses import json_response

NO_HTML: Final = "message does not contain HTML"
"""Mailpit's words."""
OFF: Final = "Links are not asked for here: link_check.enabled is false."


class Checks:
    """What can be checked of a message; `links` is None where no link may be asked for."""

    def __init__(self, display: Display, links: LinkChecker | None) -> None:
        self._display = display
        self._links = links
        self._html = HtmlChecker()

    @property
    def asks_for_links(self) -> bool:
        """Whether links may be asked for."""
        return self._links is not None

    async def html(self, message: ParsedMessage) -> tuple[Checked, Figures]:
        """Check the HTML of a message, which has some."""
        return await self._html.check(message.html), await self._html.figures()

    async def links(self, message: ParsedMessage, *, follow: bool) -> list[LinkResult]:
        """Ask for all links of a message; 403 where none may be asked for."""
        checker = self._links or refuse(OFF, 403)
        urls = await self._display.look(_addresses, message)
        return await checker.check(urls, follow=follow)


def _addresses(message: ParsedMessage) -> list[str]:
    return find_addresses(find_links(message.text, message.html), message.html)


class Checking:
    """The handlers."""

    def __init__(self, store: MessageStore, display: Display, checks: Checks) -> None:
        self._store = store
        self._display = display
        self._checks = checks

    def routes(self) -> list[Route]:
        """Give the routes; what sends requests out is asked for by POST where that is ours."""
        own, mailpit = "/api/bindpost/v1/messages/{id}", "/api/v1/message/{id}"
        return [
            Route(f"{own}/html-check", self.html),
            Route(f"{own}/link-check", self.links, methods=["POST"]),
            Route(f"{mailpit}/html-check", self.html_as_mailpit),
            Route(f"{mailpit}/link-check", self.links_as_mailpit),
        ]

    async def html(self, request: Request) -> Response:
        """Answer with the features of the message's HTML, and who supports them."""
        row = await row_of(self._store, request)
        parsed = await self._parsed(row.id)
        if not parsed.html:
            refuse("This message has no HTML part.", 404)
        checked, figures = await self._checks.html(parsed)
        return json_response(check_objects.html_check(checked, figures))

    async def links(self, request: Request) -> Response:
        """Ask for the message's links; answer with what came of each."""
        follow = read_flag(request, "follow")
        row = await row_of(self._store, request)
        results = await self._checks.links(await self._parsed(row.id), follow=follow)
        return json_response(check_objects.link_check(results))

    async def html_as_mailpit(self, request: Request) -> Response:
        """Answer with the same in Mailpit's form."""
        row = await self._row_as_mailpit(request)
        parsed = await self._parsed(row.id)
        if not parsed.html:
            refuse(NO_HTML)
        checked, figures = await self._checks.html(parsed)
        return json_response(mailpit_check_objects.html_check(checked, figures))

    async def links_as_mailpit(self, request: Request) -> Response:
        """
        Answer with the same in Mailpit's form.

        It is a GET there, which any page can make a browser send; a browser says of it where it
        comes from.
        """
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            refuse("Pages of other servers may not ask for links.", 403)
        row = await self._row_as_mailpit(request)
        follow = request.query_params.get("follow") in ("true", "1")
        results = await self._checks.links(await self._parsed(row.id), follow=follow)
        return json_response(mailpit_check_objects.link_check(results))

    async def _row_as_mailpit(self, request: Request) -> MessageRow:
        """Give the message that the path names; `latest` takes a search, and has no words here."""
        if request.path_params["id"] != LATEST:
            return await row_of(self._store, request)
        rows = await self._store.find(search_of(request), limit=1)
        return rows[0] if rows else refuse_unknown()

    async def _parsed(self, message_id: str) -> ParsedMessage:
        return await self._display.parsed(message_id) or refuse_unknown()
