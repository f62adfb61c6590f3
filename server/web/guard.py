"""
What holds for every request: who may ask, which headers an answer has, and that no error gets out.

Rebinding of names is the danger of a server on loopback: a page of `evil.example` whose name
suddenly means 127.0.0.1 could read all mail. Its requests still carry `Host: evil.example`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from email.utils import formatdate
from types import MappingProxyType
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bindpost import events
from bindpost.errors import StoreError
from bindpost.log import get_logger

from .origins import Origins, netloc_of
from .refusals import Refusals

_LOG: Final = get_logger("bindpost.web")

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Set on every answer that does not set them itself."""

_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/@\s]+)(?::[0-9]{1,5})?")


def host_of(authority: str) -> str:
    """Give the host of a `Host` field, without port, brackets and case; empty if it is none."""
    match = _AUTHORITY.fullmatch(authority.strip())
    return match[1].strip("[]").removesuffix(".").lower() if match else ""


def is_allowed(host: str, allowed: Collection[str]) -> bool:
    """
    Say whether requests may name this host.

    Names and addresses of loopback always may, and what is `allowed`. When that has a wildcard
    address (`0.0.0.0`, `::`), any address may: no rebinding can forge one. `*` allows everything.
    """
    if "*" in allowed or host in allowed:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or not {"0.0.0.0", "::"}.isdisjoint(allowed)  # noqa: S104 - compared


class Guard:
    """
    ASGI middleware around the whole app.

    `hosts` are allowed as `is_allowed` says; pages of `origins` are, beside the server's own.
    `refusals` answer what fails.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str] = (),
        origins: Origins | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        self._app = app
        self._refusals = refusals or Refusals()
        self._origins = origins or Origins()
        self._hosts = frozenset(host.strip("[]").removesuffix(".").lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if refusal := self._refusal(Headers(scope=scope)):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": refusal})
                return
            await PlainTextResponse(refusal, 403)(scope, receive, _Answer(send))
            return
        # Clients that put a slash behind the server's URL ask for `//view/x`.
        scope["path"] = re.sub("//+", "/", scope["path"])
        if scope["type"] == "websocket":
            await self._converse(scope, receive, send)
            return
        origin = Headers(scope=scope).get("origin", "")
        answer = _Answer(send, self._origins.headers_for(origin, scope["path"]))
        if self._origins.answers(scope["method"], scope["path"]):
            await Response()(scope, receive, answer)
        else:
            await self._answer(scope, receive, answer)

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app talk through a WebSocket; what it fails of, only the log tells."""
        try:
            await self._app(scope, receive, send)
        except Exception:
            _LOG.exception(events.REQUEST_FAILED, method="GET", path=scope["path"])
            await send({"type": "websocket.close", "code": 1011})

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Let the app answer; whatever it fails of, the client gets a sentence and no traceback."""
        try:
            await self._app(scope, receive, answer)
        except StoreError as error:
            _LOG.error(
                events.REQUEST_FAILED, method=scope["method"], path=scope["path"], error=str(error)
            )
            if answer.has_begun:
                raise
            failed = self._refusals.answer(scope, f"The message store failed: {error}", 503)
            await failed(scope, receive, answer)
        except ClientDisconnect:
            return  # in the middle of its body: nobody is there to be answered, and nothing failed
        except Exception:
            if answer.has_begun:
                raise  # the server logs it, and cuts the connection
            _LOG.exception(events.REQUEST_FAILED, method=scope["method"], path=scope["path"])
            text = "Something went wrong in bindpost; its log has the details."
            await self._refusals.answer(scope, text, 500)(scope, receive, answer)

    def _refusal(self, headers: Headers) -> str:
        """Say why a request is refused; empty if it isn't."""
        authority = headers.get("host", "")
        if not is_allowed(host_of(authority), self._hosts):
            return (
                f"The host {authority!r} is none of this server's names. "
                "Use localhost, or the name or address that it was bound to, or list this one in "
                "web_access.hosts."
            )
        for origin in headers.getlist("origin"):
            is_own = netloc_of(origin) == authority.strip().lower()
            if not (is_own or self._origins.has(origin)):
                return (
                    f"Pages of {origin!r} may not use this server, unless it is listed in "
                    "web_access.cors_origins."
                )
        return ""


class _Answer:
    """The way back to the client: puts the headers in, and knows whether the answer has begun."""

    def __init__(self, send: Send, more: Mapping[str, str] = MappingProxyType({})) -> None:
        self._send = send
        self._more = more
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            for name, value in self._more.items():
                headers.append(name, value)
            headers.setdefault("Cache-Control", "no-cache" if "etag" in headers else "no-store")
            headers["Date"] = formatdate(usegmt=True)  # clients read the clock from it
        await self._send(message)
