"""
Which web pages may use the APIs: those of this server, and those of origins that the settings list.

A browser tells by `Origin` whose page a request comes from (RFC 6454), and lets that page read the
answer only if it says so (CORS, in the Fetch standard). Mailpit's rule: the origin must be the
`Host` or be listed; `*` lists all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from bindpost.errors import ConfigError

ANY: Final = "*"
_HEADERS: Final = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    # The asterisk stands for every name but this one (Fetch, 4.9).
    "Access-Control-Allow-Headers": "*, Authorization",
    "Vary": "Origin",
}
_ORIGIN: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?[^\s/?#@]+/?")
_APIS: Final = "/api/"


class Origins:
    """
    The origins that are listed: `https://app.example`, or `app.example` with any scheme.

    A page without an origin of its own (`null`), as HTML mail is in its frame, is never one of
    them. Raises `ConfigError` for what is no origin.
    """

    def __init__(self, listed: Collection[str] = ()) -> None:
        for origin in listed:
            if not _ORIGIN.fullmatch(origin):
                raise ConfigError(
                    "web_access.cors_origins",
                    f"{origin!r} is no origin: write https://HOST, https://HOST:PORT, HOST or *",
                )
        self._listed = frozenset(origin.rstrip("/").lower() for origin in listed)

    def has(self, origin: str) -> bool:
        """Say whether an `Origin` is listed."""
        netloc = netloc_of(origin)
        return bool(netloc) and not self._listed.isdisjoint((ANY, origin.lower(), netloc))

    def headers_for(self, origin: str, path: str) -> Mapping[str, str]:
        """Give what an answer must have so that a page of this origin may read it."""
        if not path.startswith(_APIS) or not self.has(origin):
            return {}
        return {"Access-Control-Allow-Origin": origin, **_HEADERS}

    def answers(self, method: str, path: str) -> bool:
        """Say whether a request only asks what is allowed, which needs no login and no route."""
        return bool(self._listed) and method == "OPTIONS" and path.startswith(_APIS)


def netloc_of(origin: str) -> str:
    """Give host and port of an `Origin` field; empty if it has none, as `null` has not."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
