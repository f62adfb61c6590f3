"""Loops: knows our own listeners when they are dialled, and a message that a relay has brought."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from bindpost.config.endpoint import Endpoint

from ..store.store import MessageRow
from .route import Route, is_loopback
from .trouble import Trouble

NAME: Final = "bindpost-relay"
"""
The first label of the name that every bindpost's relay gives in EHLO.

Nothing may be added to the bytes of a message, so the session has to tell: this name is in the
facts of a message that a relay brought, and servers between put it into their `Received` field
(RFC 5321, 4.4).
"""
_TRACE: Final = re.compile(rb"^received:\s*from\s+" + NAME.encode() + rb"\.", re.I | re.M)
_UNFIT: Final = re.compile(r"[^A-Za-z0-9.-]+")
_HEADER_LIMIT: Final = 256 * 1024
"""Bytes of a header that are looked through."""
_UNSPECIFIED: Final = (IPv4Address(0), IPv6Address(0))

_Ip = IPv4Address | IPv6Address


class LoopTrouble(Trouble):
    """A message is not relayed by itself, because a relay has brought it."""

    def __init__(self) -> None:
        super().__init__(
            "message",
            "a relay has brought it: it would go round",
            hint="release it by hand if it is meant to go on",
            permanent=True,
        )


def relay_name(hostname: str) -> str:
    """Give the name to say in EHLO."""
    return f"{NAME}.{_UNFIT.sub('-', hostname).strip('.-') or 'localhost'}"


def was_relayed(row: MessageRow, raw: bytes) -> bool:
    """Say whether a bindpost's relay has brought a message, itself or over other servers."""
    if (row.session.helo or "").lower().startswith(f"{NAME}."):
        return True
    header = raw[:_HEADER_LIMIT].partition(b"\r\n\r\n")[0]
    return _TRACE.search(header) is not None


def refuse_own(route: Route, resolved: Iterable[str], listeners: Collection[Endpoint]) -> None:
    """
    Raise `Trouble` if the route leads to one of our own listeners.

    `resolved` are the addresses of the first hop. Behind a proxy a name is the proxy's to resolve,
    and its loopback is ours only if it runs here; what is not seen here `was_relayed` sees.
    """
    here = list(resolved)
    if route.proxy is None:
        targets = here
    elif not is_loopback(route.server.host):
        targets = [route.server.host]
    elif any(_is_local(address) for address in map(_parse, here) if address is not None):
        targets = ["127.0.0.1", "::1"] if _parse(route.server.host) is None else [route.server.host]
    else:
        targets = []
    for target in targets:
        for listener in listeners:
            if listener.port == route.server.port and _is_same(target, listener.host):
                raise Trouble(
                    "server",
                    f"{route.server} is our own listener {listener}",
                    hint="relay.server must name another server: mail would come back for ever",
                    permanent=True,
                )


def _is_same(target: str, listener: str) -> bool:
    """Say whether who dials `target` reaches what listens on `listener`."""
    dialled, bound = _parse(target), _parse(listener)
    if dialled is None or bound is None:
        return target.lower() == listener.lower()
    if bound in _UNSPECIFIED:
        return dialled.version == bound.version and _is_local(dialled)
    return dialled == bound


def _is_local(address: _Ip) -> bool:
    """Say whether an address is one of this machine's; nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _parse(host: str) -> _Ip | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
