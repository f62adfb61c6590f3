"""Bound sockets, made by hand so that the error number survives and all addresses share a port."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

BACKLOG: Final = 1024
"""
Connections that may wait to be accepted; Linux cuts it to net.core.somaxconn.

asyncio's own 100 is a second's worth when a test suite starts, and what does not fit waits for a
retransmission: a second, then three.
"""
LONGEST_UNIX_PATH: Final = 107 if sys.platform == "linux" else 103
"""Bytes of a Unix socket's path (unix(7)), without the zero at its end."""

_TRIES: Final = 8
"""For a free port that is free on every address."""
_ABSENT: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class Address(NamedTuple):
    """One address to bind, as `getaddrinfo` gives it."""

    family: int
    sockaddr: tuple[str | int, ...]

    @property
    def host(self) -> str:
        """The address without its port, the scope of a link-local one included."""
        return str(self.sockaddr[0])

    def at(self, port: int) -> tuple[str | int, ...]:
        """Give the socket address with another port."""
        return (self.sockaddr[0], port, *self.sockaddr[2:])


async def resolve(host: str, port: int) -> list[Address]:
    """
    Give all addresses of a listen name, each once; an address stands for itself, without a thread.

    Raises `OSError`, a `socket.gaierror` as a rule.
    """
    loop = asyncio.get_running_loop()
    kind, protocol = socket.SOCK_STREAM, socket.IPPROTO_TCP
    try:
        try:
            found = socket.getaddrinfo(
                host, port, type=kind, proto=protocol, flags=socket.AI_NUMERICHOST
            )
        except socket.gaierror:
            found = await loop.getaddrinfo(
                host, port, type=kind, proto=protocol, flags=socket.AI_PASSIVE
            )
    except ValueError as error:  # nothing that could be a name: a label is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, f"not a host name: {error}") from None
    return list(dict.fromkeys(Address(family, (*sockaddr,)) for family, *_, sockaddr in found))


def bind_tcp(addresses: Sequence[Address], port: int) -> list[socket.socket]:
    """
    Bind and listen on every address, port 0 on the same free port everywhere; all or nothing.

    Of several addresses those that this machine doesn't have are left out, as asyncio does: names
    such as localhost often stand for an IPv6 address where there is no IPv6. Raises `OSError`.
    """
    for attempt in range(_TRIES):
        try:
            return _bind_all(addresses, port)
        except OSError as error:
            again = error.errno == errno.EADDRINUSE and port == 0 and attempt + 1 < _TRIES
            if not again:
                raise
    raise AssertionError("the last attempt returns or raises")


def bind_unix(path: str) -> socket.socket:
    """
    Bind and listen on a Unix socket that only this user may connect to (mode 0600).

    The file of a socket that nobody listens on any more is replaced. Raises `OSError`.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, "this system has no Unix sockets")
    if "\0" in path:
        raise OSError(errno.EINVAL, "the path has a zero in it")
    if len(os.fsencode(path)) > LONGEST_UNIX_PATH:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    if is_stale(path):
        os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        try:
            os.chmod(path, 0o600)  # nobody can connect before listen()
            sock.listen(BACKLOG)
        except OSError:
            os.unlink(path)
            raise
    except BaseException:
        sock.close()
        raise
    return sock


def is_stale(path: str) -> bool:
    """Say whether `path` is a socket that nobody listens on; False if it is anything else."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return False
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a full backlog must not hold us up
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def _bind_all(addresses: Iterable[Address], port: int) -> list[socket.socket]:
    bound: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for address in addresses:
            try:
                bound.append(_bind(address, port))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = absent or error
                continue
            port = bound[-1].getsockname()[1]
        if not bound:
            raise absent or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    except BaseException:
        for sock in bound:
            sock.close()
        raise
    return bound


def _bind(address: Address, port: int) -> socket.socket:
    # The protocol is named because asyncio sets TCP_NODELAY only where it is.
    sock = socket.socket(address.family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform == "win32":  # there SO_REUSEADDR would share the port with anybody
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.family == socket.AF_INET6:
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address.at(port))
        sock.listen(BACKLOG)  # claims the port: two sockets may be bound to it, one can listen
    except BaseException:
        sock.close()
        raise
    return sock
