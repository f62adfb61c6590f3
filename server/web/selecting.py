"""
Which mailbox a request is for: the one that its login opens, or one that it names.

Each mailbox has an app of its own over its view of the store, so nothing in there could show what
is in another, whatever it does. Apps are made when they are first asked for.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.datastructures import QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ..mailboxes import name_of
from .authentication import MAILBOX
from .responses import turn_away

PARAMETER: Final = "mailbox"
"""Of the query, by which a request names a mailbox."""
REMEMBERED: Final = 64
"""Apps that are kept, each less than a megabyte: those of the mailboxes asked for last."""
_PAGE: Final = "/"
_PREFIX: Final = re.compile(r"/mailbox/([^/]*)(/.*)?", re.DOTALL)

Make = Callable[[str, bool], ASGIApp]
"""Makes the app of a mailbox; the flag says that its users see nothing else."""


class Selecting:
    """
    ASGI middleware behind the login: lets the app answer, or that of a mailbox.

    A request names a mailbox by `?mailbox=NAME`, or by `/mailbox/NAME` in front of its path. Who
    has the login of a mailbox needs neither, and may name no other. `is_known` says whether there
    is a mailbox of a name, or will be.
    """

    def __init__(
        self, app: ASGIApp, *, make: Make, is_known: Callable[[str], Awaitable[bool]]
    ) -> None:
        self._app = app
        self._make = make
        self._is_known = is_known
        self._made: OrderedDict[tuple[str, bool], ASGIApp] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        own = scope[MAILBOX]
        path, named = _named(scope)
        if (refusal := await self._refusal(own, named)) is not None:
            await turn_away(refusal, scope, receive, send)
            return
        mailbox = own or (name_of(named[0]) if named else None)
        app = self._app if mailbox is None else self._app_of(mailbox, own is not None)
        await app({**scope, "path": path}, receive, send)

    async def _refusal(self, own: str | None, named: list[str]) -> PlainTextResponse | None:
        """Say why a request may not have the mailboxes that it names; None if it may."""
        names = {name_of(text) for text in named}
        if own is not None and names <= {own}:
            return None
        if own is not None:
            return PlainTextResponse(f"Your login is for the mailbox {own!r} only.", 403)
        if len(names) > 1:
            return PlainTextResponse("The request names several mailboxes; name one.", 400)
        for name in names:
            if name is None or not await self._is_known(name):
                text = f"There is no mailbox {named[0][:100]!r}, and no [[mailbox]] that makes one."
                return PlainTextResponse(text, 404)
        return None

    def _app_of(self, mailbox: str, is_own: bool) -> ASGIApp:
        key = mailbox, is_own
        if key not in self._made:
            self._made[key] = self._make(mailbox, is_own)
            if len(self._made) > REMEMBERED:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]


def _named(scope: Scope) -> tuple[str, list[str]]:
    """
    Give the path without a mailbox in front, and the mailboxes that a request names.

    An empty name is one, and wrong: a script that forgot to set it must not mean the whole inbox.
    Only the page has it in its form, for all mail.
    """
    path: str = scope["path"]
    given = QueryParams(scope["query_string"]).getlist(PARAMETER)
    named = [name for name in given if name or path != _PAGE]
    if match := _PREFIX.fullmatch(path):
        return match[2] or "/", [match[1], *named]
    return path, named
