"""
Compresses answers for who asks for it, except where their size could tell a secret.

A page elsewhere can make a browser ask for `/?q=a guess`; who watches the encrypted line then sees
by the size whether the guess stood in the answer, too (BREACH). Browsers say of such requests that
another site made them (`Sec-Fetch-Site`), and those are answered uncompressed.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

SMALLEST: Final = 1_024
"""Bytes below which it isn't worth it."""
_LEVEL: Final = 1
"""The fastest: a list of 50 takes 0.2 ms more for it, and has a fifteenth of the bytes."""
_LEFT_ALONE: Final = (
    *DEFAULT_EXCLUDED_CONTENT_TYPES,
    "application/octet-stream",
    "message/rfc822",
    "application/x-ndjson",
)
"""Files to keep, which are as they are, and streams, which must not wait for each other."""
_ELSEWHERE: Final = frozenset({"cross-site", "same-site"})


class Compression(GZipMiddleware):
    """ASGI middleware around all that answers with pages, scripts, styles and JSON."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            app, minimum_size=SMALLEST, compresslevel=_LEVEL, exclude_content_types=_LEFT_ALONE
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or Headers(scope=scope).get("sec-fetch-site") in _ELSEWHERE:
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
