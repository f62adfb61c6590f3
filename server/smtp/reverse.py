"""Reverse lookup of a client's name, which IMS did before its banner (KB Q258745)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

Lookup = Callable[[str | None, float], Awaitable[str | None]]
"""Gives a client's name from its address, or None, within some seconds."""


async def reverse_name(host: str | None, seconds: float) -> str | None:
    """Give the name that a client's address resolves to, None if there is none within this time."""
    if host is None:
        return None
    lookup = asyncio.get_running_loop().getnameinfo((host, 0), socket.NI_NAMEREQD)
    try:
        name, _ = await asyncio.wait_for(lookup, seconds)
    except (OSError, TimeoutError, UnicodeError):
        return None
    return name
