"""A self-test's way to a port that a SOCKS proxy has bound: CONNECT through the same proxy."""

from __future__ import annotations

from bindpost.config.endpoint import Endpoint

from ..calling import SocketStream
from ..provider import Call, UnreachedError
from . import wire
from .dial import Connected, Dialer
from .explain import find
from .symptom import Failure, Sign, Symptom


async def reach(dialer: Dialer, address: Endpoint, *, seconds: float) -> Call:
    """Have the proxy connect to what it has bound. Raises `UnreachedError`."""
    try:
        connected = await dialer.connect(address, seconds=seconds)
    except Failure as failure:
        raise UnreachedError(find(failure.symptom)) from None
    symptom = Symptom(
        version=dialer.proxy.version,
        hop="accept",
        sign=Sign.UNANNOUNCED,
        target=connected.target,
        wanted=address.port,
    )
    return Call(
        stream=SocketStream(connected.sock),
        silent=find(symptom),
        name=_name(dialer, connected),
        proxy=connected.host,
    )


def _name(dialer: Dialer, connected: Connected) -> Endpoint | None:
    """
    Give where the proxy's connection comes from, if it says so.

    Only SOCKS5 does (RFC 1928, 6). Some servers put zeros there, or their own control port.
    """
    name = connected.name
    if dialer.proxy.version != 5 or name.port in (0, dialer.proxy.port):
        return None
    return None if wire.peername_of(name) is None else name
