"""Asks for credentials before anything is answered: pages, APIs, streams and WebSockets alike."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bindpost import events
from bindpost.log import get_logger

from .access import Access, Claim, Login
from .attempts import Attempts, address_of
from .responses import turn_away

_LOG: Final = get_logger("bindpost.web")
OPEN: Final = frozenset({"/livez", "/readyz"})
"""Paths for whoever watches the server; they tell nothing but its health."""
MAILBOX: Final = "bindpost.mailbox"
"""Key of a request's scope: the only mailbox that its login opens, None for one that opens all."""


class Authentication:
    """
    ASGI middleware inside the guard, which has looked at the host and made the path plain.

    Right credentials go on; none gives 401, which asks for them; wrong ones give 401 too, are
    logged and counted, and after some failures the address gets 429, whatever it sends.
    """

    def __init__(self, app: ASGIApp, *, access: Access, attempts: Attempts | None = None) -> None:
        self._app = app
        self._access = access
        self._attempts = Attempts() if attempts is None else attempts
        self._hashing = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        is_open = scope["type"] == "http" and scope["path"] in OPEN
        if is_open or self._access.is_open or scope["type"] not in ("http", "websocket"):
            await self._app({**scope, MAILBOX: None}, receive, send)
            return
        login = await self._login(scope)
        if isinstance(login, Login):
            await self._app({**scope, MAILBOX: login.mailbox}, receive, send)
        else:
            await turn_away(login, scope, receive, send)

    async def _login(self, scope: Scope) -> Login | Response:
        """Give the good login of a request, or the answer to one that may not go on."""
        given = Headers(scope=scope).getlist("authorization")
        if not given:
            return self._challenge("Log in: this server wants a name and password, or a token.")
        address = address_of(scope.get("client"))
        if seconds := self._attempts.wait(address):
            return _too_often(seconds)
        login = self._access.check(given[0] if len(given) == 1 else "")
        if isinstance(login, Claim):
            async with self._hashing:  # one at a time; who waited may have to wait longer now
                if seconds := self._attempts.wait(address):
                    return _too_often(seconds)
                login = self._access.check(given[0])
                if isinstance(login, Claim):
                    login = await self._access.verify(login)
        return login if login.good else self._note_failure(scope, login, address)

    def _note_failure(self, scope: Scope, login: Login, address: str) -> Response:
        """Log and count a failed login; give the answer."""
        self._attempts.fail(address)
        _LOG.warning(
            events.WEB_LOGIN_FAILED,
            reason=login.reason,
            client=address,
            scheme=login.scheme,
            method=scope.get("method", "WEBSOCKET"),
            path=scope["path"],
            **({} if login.user is None else {"user": login.user}),
        )
        if seconds := self._attempts.wait(address):
            _LOG.warning(events.WEB_LOGIN_LIMITED, client=address, seconds=seconds)
        return self._challenge("The credentials are not known to this server.")

    def _challenge(self, text: str) -> Response:
        response = PlainTextResponse(text, 401)
        for challenge in self._access.challenges:
            response.headers.append("WWW-Authenticate", challenge)
        return response


def _too_often(seconds: int) -> Response:
    text = f"Too many failed logins from this address: try again in {seconds} seconds."
    return PlainTextResponse(text, 429, headers={"Retry-After": str(seconds)})
