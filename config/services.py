"""Endpoints whose port is the name of a service, looked up as IMS looked up its own port."""

from __future__ import annotations

import re
import socket
from typing import Final

from bindpost import events
from bindpost.errors import ServiceUnknownError

from .endpoint import Endpoint

HOP: Final = events.SERVICES_HOP
"""The hop of a bind path at which a name is looked up."""
_NAMED: Final = re.compile(
    r"(?P<host>\[.+\]|[^:]+):(?P<service>(?=[0-9-]*[a-z])[a-z0-9-]{1,15})", re.IGNORECASE
)
"""`HOST:SERVICE`; a service has a letter in its name and at most 15 characters (RFC 6335, 5.1)."""


def is_named(text: str) -> bool:
    """Say whether an endpoint's port is the name of a service."""
    return _match(text) is not None


def check(text: str) -> None:
    """Raise `ValueError` if a text is no endpoint, whether its port is a number or a name."""
    if not is_named(text):
        Endpoint.parse(text)


def look_up(text: str) -> Endpoint:
    """
    Give a listener's endpoint, the port of a named service taken from the services file.

    IMS took its port from the line `smtp` there (KB Q173903). May block if the name is one.
    Raises `ServiceUnknownError` when there is no such line, and `ValueError` as `Endpoint.parse`.
    """
    named = _match(text)
    if named is None:
        return Endpoint.parse(text)
    host, service = named["host"], named["service"].lower()
    try:
        port = socket.getservbyname(service, "tcp")
    except OSError:
        raise ServiceUnknownError(text, service) from None
    return Endpoint.parse(f"{host}:{port}")


async def find(text: str) -> Endpoint:
    """Do what `look_up` does, off the event loop where it may block."""
    import asyncio  # here, because whoever only reads settings does without it

    return await asyncio.to_thread(look_up, text) if is_named(text) else Endpoint.parse(text)


def _match(text: str) -> re.Match[str] | None:
    return None if text.startswith("unix:") else _NAMED.fullmatch(text)
