"""A self-test's way through a PROXY protocol listener: the header that a load balancer sends."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bindpost.config.endpoint import Endpoint

from ..provider import Call, Finding, UnreachedError
from .matrix import ROWS
from .trusted import TrustedSenders

CLIENT: Final = Endpoint("192.0.2.1", 421)
"""Who the header says has come: an address that nobody has (RFC 5737)."""
_HEADER: Final = f"PROXY TCP4 {CLIENT.host} 192.0.2.2 {CLIENT.port} 25\r\n".encode()
"""Version 1, section 2.1."""
_HINT: Final = f"try from the load balancer, or {ROWS['untrusted'].hint}"


async def reach(call: Call, address: Endpoint, trusted: TrustedSenders) -> Call:
    """
    Send a header on a connection, and give the connection as the client's that it names.

    Raises `UnreachedError` when the connection's sender isn't trusted; it is then closed.
    """
    name = call.name
    if name is not None and not trusted.trust((name.host, name.port)):
        await call.stream.close()
        detail = f"a test from here comes from {name.host}, which is no trusted sender"
        raise UnreachedError(Finding(None, detail, _HINT))
    call.stream.write(_HEADER)
    silent = replace(call.silent, detail=f"{call.silent.detail} after a PROXY header")
    if name is None and not address.is_unix:
        detail = "no session begins; where the test comes from can't be told"
        silent = Finding(None, detail, _HINT)
    return replace(call, name=CLIENT, exact=True, silent=silent)
