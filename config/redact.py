"""Hiding of passwords wherever a URL is shown."""

from __future__ import annotations

HIDDEN = "***"


def redact(url: str) -> str:
    """
    Give a URL with its password hidden: `socks5://me:***@host:1080`.

    Anything before the last `@` counts as credentials, even in a text that is no proper URL: a
    mistyped URL is just what error messages print.
    """
    credentials, at, rest = url.rpartition("@")
    if not at:
        return url
    scheme, slashes, userinfo = credentials.rpartition("://")
    user, colon, _password = userinfo.partition(":")
    return f"{scheme}{slashes}{user}{colon}{HIDDEN if colon else ''}@{rest}"
