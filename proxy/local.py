"""What this machine tells about addresses to be bound: own ones, free ports, holders, rights."""

from __future__ import annotations

import errno
import os
import random
import re
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

IPAddress = IPv4Address | IPv6Address

_PROC: Final = Path("/proc")
_CAP_NET_BIND_SERVICE: Final = 1 << 10
"""linux/capability.h."""
_LISTEN: Final = "0A"
"""TCP_LISTEN in the column `st` of /proc/net/tcp."""
_PRIVILEGED: Final = 1024
"""First port that anybody may bind, unless the system says otherwise."""

_ASKED_FOR: Final = range(10000, 32000)
"""Ports that need no right, below those that systems give to who asks for any (Linux: 32768 up)."""
_TRIES: Final = 200
_RANDOM: Final = random.SystemRandom()
"""Two processes that were seeded alike shall not be given the same port."""


def own_addresses() -> list[IPAddress]:
    """
    Give this machine's addresses, loopback first.

    From /proc where there is one, else those that its name resolves to, which may be fewer.
    """
    found: set[IPAddress] = set()
    with suppress(OSError):
        leaf = ""
        for line in (_PROC / "net/fib_trie").read_text().splitlines():
            leaf = line.partition("|-- ")[2] or leaf
            if line.endswith("/32 host LOCAL"):
                found.add(IPv4Address(leaf))
    with suppress(OSError):
        lines = (_PROC / "net/if_inet6").read_text().splitlines()
        found |= {IPv6Address(int(line.split()[0], 16)) for line in lines}
    if not found:
        with suppress(OSError):
            for *_, address in socket.getaddrinfo(socket.gethostname(), None):
                found.add(ip_address(str(address[0]).partition("%")[0]))
    return sorted(found, key=lambda a: (not a.is_loopback, a.version, int(a)))


def free_port(*hosts: str, kinds: Sequence[socket.SocketKind] = (socket.SOCK_STREAM,)) -> int:
    """
    Give a port that is free now on each of these IPv4 addresses, for programs that take no port 0.

    Nobody is given it who asks for any port, so it stays free until somebody asks for this one.
    Without an address it is 127.0.0.1; `kinds` says whether TCP, UDP or both shall be free.
    Raises `OSError` (EADDRINUSE) if none is found.
    """
    hosts = hosts or ("127.0.0.1",)
    for _ in range(_TRIES):
        port = _RANDOM.choice(_ASKED_FOR)
        if all(_is_free(host, port, kind) for host in hosts for kind in kinds):
            return port
    raise OSError(errno.EADDRINUSE, f"no port is free on {', '.join(hosts)}; see `ss -ltnu`")


def is_own(address: IPAddress) -> bool | None:
    """Say whether an address is this machine's; None where the system doesn't tell."""
    if address.is_unspecified:
        return True
    if address.version == 4 and address.is_loopback:
        return True  # all of 127.0.0.0/8; a machine that has less of it says so when bound
    own = own_addresses()
    return address in own if own else None


def holders(port: int, *, at: Callable[[IPAddress], bool]) -> list[str]:
    """
    Name the processes that listen on a TCP port, `postfix (pid 812)`, at addresses that `at` takes.

    Linux only, and for other users' processes only with their rights; empty when nobody is found.
    """
    sockets = {f"socket:[{inode}]" for inode, address in _listening(port) if at(address)}
    found: list[str] = []
    for process in _processes() if sockets else ():
        with suppress(OSError):
            if any(_link(file) in sockets for file in (process / "fd").iterdir()):
                name = (process / "comm").read_text(errors="replace").strip()
                found.append(f"{name} (pid {process.name})")
    return found


def listening_addresses(port: int) -> list[IPAddress] | None:
    """Give the addresses on which a TCP port is listened on; None if the system won't tell."""
    if not (_PROC / "net/tcp").exists():
        return None
    return [address for _inode, address in _listening(port)]


def may_bind(port: int) -> bool | None:
    """Say whether this process may bind a port as far as privileges go; None if not known."""
    if port == 0:
        return True
    try:
        first = int((_PROC / "sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        first = _PRIVILEGED
    if port >= first:
        return True
    with suppress(OSError):
        status = (_PROC / "self/status").read_text()
        if effective := re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE):
            return bool(int(effective[1], 16) & _CAP_NET_BIND_SERVICE)
    return True if getattr(os, "geteuid", lambda: -1)() == 0 else None


def _is_free(host: str, port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as sock:
        try:
            sock.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        return True


def _listening(port: int) -> Iterator[tuple[str, IPAddress]]:
    """Give inode and address of each listening TCP socket on a port."""
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / name).read_text().splitlines()[1:]:
                columns = line.split()
                host, _colon, number = columns[1].partition(":")
                if columns[3] == _LISTEN and int(number, 16) == port:
                    yield columns[9], _address(host)


def _address(hexadecimal: str) -> IPAddress:
    """Read an address as /proc/net/tcp has it: 32-bit words in the machine's own order."""
    words = [int(hexadecimal[at : at + 8], 16) for at in range(0, len(hexadecimal), 8)]
    packed = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    if len(packed) == 4:
        return IPv4Address(packed)
    address = IPv6Address(packed)
    return address.ipv4_mapped or address


def _processes() -> Iterator[Path]:
    with suppress(OSError):
        yield from (path for path in _PROC.iterdir() if path.name.isdigit())


def _link(file: Path) -> str:
    try:
        return os.readlink(file)
    except OSError:  # closed meanwhile
        return ""
