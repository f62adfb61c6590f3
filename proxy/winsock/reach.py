"""A self-test's way to what a Winsock Proxy has bound: directly, as long as there is a way."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Final

from bindpost.config.endpoint import Endpoint

from .. import local
from ..calling import call_here, connect, refusal, silence
from ..provider import Call, Finding, UnreachedError

_NO_WAY: Final = (
    "the proxy's outside can't be dialled from its inside here: connect from outside to see "
    "whether a banner comes"
)
_CLOSED: Final = "see what on the proxy closes the port, such as its packet filter"


async def reach(address: Endpoint, *, seconds: float, proxy: str) -> Call:
    """
    Connect to an address of this machine or of the proxy. Raises `UnreachedError`.

    `proxy` is the proxy's internal name or address. A refusal by the proxy is a fault; that there
    is no way to its external address is none, because peers come from elsewhere.
    """
    if await asyncio.to_thread(_is_own, address):
        return await call_here(address, seconds=seconds)
    try:
        stream = await connect(address, seconds=seconds)
    except OSError as error:
        raise UnreachedError(unreached(address, error)) from None
    # Not exactly: between here and there the address may be translated.
    return Call(stream=stream, silent=silence(address), name=stream.name, proxy=proxy)


def unreached(address: Endpoint, error: OSError) -> Finding:
    """Give what it means that no connection to the proxy's external address is made."""
    if isinstance(error, ConnectionRefusedError):
        return Finding(False, refusal(address, error), _CLOSED)
    return Finding(None, refusal(address, error), _NO_WAY)


def _is_own(address: Endpoint) -> bool:
    if address.is_unix:
        return True
    return local.is_own(ip_address(address.host.partition("%")[0])) is not False
