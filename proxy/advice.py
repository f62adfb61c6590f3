"""What to do about a bind on this machine that fails, and what can be told of it beforehand."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

from bindpost.config.endpoint import Endpoint

from . import local, wsa
from .binding import LONGEST_UNIX_PATH, Address, is_stale
from .matrix import direct_row
from .provider import Hop

_UNSEEN: Final = "firewalls, containers and security policies can't be seen from here"
_LISTED: Final = 8
"""Own addresses that a hint lists; a host of containers has hundreds."""
_PROBE_TIMEOUT: Final = 0.5
"""Seconds that a connection to this machine's own loopback may take."""


def hint(code: int, endpoint: Endpoint) -> str:
    """Give a sentence that says what to do about a local bind that failed with a Winsock code."""
    row = direct_row(code, endpoint)
    facts = {}
    match row.key:
        case "in-use":
            facts["holder"] = _holder(endpoint)
        case "not-local":
            facts["own"] = _own_addresses()
        case "unix-in-use":
            facts["what"] = _kind(Path(endpoint.path))
        case "unix-forbidden" | "unix-no-folder":
            facts["folder"] = str(Path(endpoint.path).parent)
        case "unix-too-long":
            facts["longest"] = str(LONGEST_UNIX_PATH)
    return row.hint.format(**facts)


def _holder(endpoint: Endpoint) -> str:
    """Say who listens where an endpoint would, or how to find out."""

    def is_in_the_way(other: IPv4Address | IPv6Address) -> bool:
        try:
            return clashes(ip_address(endpoint.host.partition("%")[0]), [other]) is not False
        except ValueError:
            return True  # a name, which may mean any of them

    who = ", ".join(local.holders(endpoint.port, at=is_in_the_way))
    if who:
        return f"{who} listens there"
    return "another process listens there (`ss -ltnp`, as root, names it)"


def _own_addresses() -> str:
    """List the addresses of this machine, the first of them if there are many."""
    own = [str(address) for address in local.own_addresses()]
    more = f" and {len(own) - _LISTED} more" if len(own) > _LISTED else ""
    return ", ".join(own[:_LISTED]) + more


def foresee(endpoint: Endpoint, addresses: Sequence[Address]) -> list[Hop]:
    """Say for each address of an endpoint whether it could be bound, without binding it."""
    absent = [address for address in addresses if local.is_own(_plain(address)) is False]
    # Of several addresses those that aren't here are left out; see binding.bind_tcp.
    tolerated = len(absent) < len(addresses)
    hops = []
    for address in addresses:
        begun = perf_counter()
        target = Endpoint(host=address.host, port=endpoint.port)
        seen = _foresee(_plain(address), endpoint.port)
        ok: bool | None = seen.code is None
        if address in absent and tolerated:
            ok, seen = None, _Sight(None, f"{seen.detail}; left out")
        hops.append(_hop(target, seen, ok=ok, begun=begun))
    return hops


def foresee_unix(endpoint: Endpoint) -> list[Hop]:
    """Say whether a Unix socket could be bound, without binding it."""
    begun = perf_counter()
    seen = _foresee_unix(endpoint.path)
    return [_hop(endpoint, seen, ok=seen.code is None, begun=begun)]


class _Sight(NamedTuple):
    """What was seen: the Winsock code that a bind would meet, if any, and a sentence."""

    code: int | None
    detail: str


def _hop(target: Endpoint, seen: _Sight, *, ok: bool | None, begun: float) -> Hop:
    return Hop(
        name="bind",
        target=str(target),
        ok=ok,
        detail=seen.detail,
        milliseconds=(perf_counter() - begun) * 1000,
        code=seen.code,
        hint=hint(seen.code, target) if seen.code is not None else "",
    )


def _foresee(address: IPv4Address | IPv6Address, port: int) -> _Sight:
    if local.is_own(address) is False:
        return _Sight(wsa.EADDRNOTAVAIL, "not an address of this machine")
    allowed = local.may_bind(port)
    if allowed is False:
        return _Sight(wsa.EACCES, f"port {port} needs a right that this program doesn't have")
    if port == 0:
        return _Sight(None, "any free port")
    if _is_taken(address, port):
        return _Sight(wsa.EADDRINUSE, "something listens there")
    doubt = f"; whether port {port} is allowed can't be told" if allowed is None else ""
    return _Sight(None, f"free now; {_UNSEEN}{doubt}")


def clashes(
    address: IPv4Address | IPv6Address, listening: Iterable[IPv4Address | IPv6Address]
) -> bool | None:
    """
    Say whether an address can't be listened on beside others, on the same port.

    None if that hangs on whether the IPv6 wildcard among them takes IPv4 connections too.
    """
    verdict: bool | None = False
    for other in listening:
        wildcard = other.is_unspecified or address.is_unspecified
        if other == address or (wildcard and other.version == address.version):
            return True
        if other.is_unspecified and other.version == 6:
            verdict = None
    return verdict


def _is_taken(address: IPv4Address | IPv6Address, port: int) -> bool:
    listening = local.listening_addresses(port)
    verdict = None if listening is None else clashes(address, listening)
    # What /proc doesn't tell a connection does: a server that answers is there.
    return _answers(address, port) if verdict is None else verdict


def _answers(address: IPv4Address | IPv6Address, port: int) -> bool:
    """Say whether a connection is accepted; asked on loopback only, False elsewhere."""
    if address.is_unspecified:
        address = ip_address("127.0.0.1" if address.version == 4 else "::1")
    if not address.is_loopback:
        return False
    try:
        with socket.create_connection((str(address), port), timeout=_PROBE_TIMEOUT):
            return True
    except OSError:
        return False


def _foresee_unix(path: str) -> _Sight:
    folder = Path(path).parent
    if len(os.fsencode(path)) > LONGEST_UNIX_PATH:
        return _Sight(wsa.ENAMETOOLONG, "the path is too long for a socket")
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except OSError as error:
        return _Sight(wsa.code_of(error), f"the folder {folder}: {error.strerror}")
    if not is_folder:
        return _Sight(wsa.EADDRNOTAVAIL, f"{folder} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        return _Sight(wsa.EACCES, f"the folder {folder} can't be written")
    if is_stale(path):
        return _Sight(None, "a dead socket's file is there; it would be replaced")
    if os.path.lexists(path):
        return _Sight(wsa.EADDRINUSE, f"{_kind(Path(path))} is there")
    return _Sight(None, f"free now; {_UNSEEN}")


def _kind(path: Path) -> str:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        is_socket = False
    return "a socket of a running program" if is_socket else "a file that is no socket"


def _plain(address: Address) -> IPv4Address | IPv6Address:
    return ip_address(address.host.partition("%")[0])
