"""`inherit:`, sockets that whoever started the program has bound: systemd's socket activation."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Final, NamedTuple, Self, final

from bindpost.config.activation import VARIABLES
from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError, ConfigError

from . import wsa
from .calling import call_here
from .matrix import INHERITED
from .provider import Call, Hop, ProtocolFactory, Report
from .socket_listener import SocketListener, address_of

SCHEME: Final = "inherit"
FIRST_DESCRIPTOR: Final = 3
"""SD_LISTEN_FDS_START: those before it are the standard streams."""
MOST_DESCRIPTORS: Final = 1024
"""systemd's usual limit of open files."""
UNNAMED: Final = "unknown"
"""What systemd calls a socket whose unit gives no name."""

_FAMILIES: Final = ("AF_INET", "AF_INET6", "AF_UNIX")


class Handed(NamedTuple):
    """A descriptor that was handed over, and the name that its socket unit gave it."""

    descriptor: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (descriptor {self.descriptor})"


class Trouble(Exception):
    """
    Why handed sockets can't be used: a Winsock code, a sentence, and what to do.

    `key` is a row of `INHERITED`, `code` the row's unless the system has given one, `facts` are
    what the row's sentence names.
    """

    def __init__(self, key: str, *, code: int | None = None, **facts: object) -> None:
        row = INHERITED[key]
        self.code = row.codes[0] if code is None else code
        self.detail = row.reason.format(**facts)
        self.hint = row.hint
        super().__init__(self.code, self.detail)


@final
class InheritedProvider:
    """
    Listens on sockets that were handed over; the endpoint is a label and binds nothing.

    `environ` has the variables of `VARIABLES`. With a `name` it takes the sockets of that name,
    without one all whose name isn't in `others`. Each bind works on duplicates: the descriptors
    themselves stay open for the next one, and are not passed on to child processes. The transports
    are asyncio's own; they tell nothing as extra info `via`.

    Implements `bindpost.proxy.provider.BindProvider` and `Reaching`.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        name: str = "",
        others: Sequence[str] = (),
        first: int = FIRST_DESCRIPTOR,
    ) -> None:
        self._environ = environ
        self._name = name
        self._others = frozenset(others)
        self._first = first
        self._busy: set[int] = set()
        with suppress(Trouble):
            for handed in handed_over(environ, first=first):
                with suppress(OSError):  # a bind says what is wrong with it
                    os.set_inheritable(handed.descriptor, False)

    @classmethod
    def from_url(
        cls, url: str, environ: Mapping[str, str], *, listeners: Sequence[str] = ()
    ) -> Self:
        """
        Read `inherit:` or `inherit:NAME`.

        `listeners` are the bind paths of all listeners, this one's included: sockets that one of
        them names are not part of `inherit:`. Raises `ConfigError`, also when two listeners would
        get the same sockets.
        """
        name = _name_in(url)
        if "/" in name or ":" in name:
            raise ConfigError(
                "via",
                f'"{url}": "{name}" is no name of a socket',
                hint="write inherit: or inherit:NAME, with the socket unit's FileDescriptorName",
            )
        names = [_name_in(via) for via in listeners if _is_inherit(via)]
        if names.count(name) > 1:
            raise ConfigError(
                "via",
                f'two listeners are "{url}", and one socket can\'t serve both',
                hint="give the sockets names, and write inherit:NAME",
            )
        return cls(environ, name=name, others=[other for other in names if other != name])

    @property
    def url(self) -> str:
        """`inherit:` or `inherit:NAME`."""
        return f"{SCHEME}:{self._name}"

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        *,
        ssl: ssl.SSLContext | None = None,
        report: Report | None = None,
    ) -> SocketListener:
        """
        Listen on the handed sockets. Nothing is ever reported: they stay bound.

        Raises `BindError`: 10022 when none was handed over to this process, or one doesn't listen;
        10009, 10038 and 10045 when one is closed, no socket, or no stream socket; 10048 when a
        listener of this provider has them.
        """
        try:
            handed = self._choose()
            sockets = self._duplicate(handed)
        except Trouble as trouble:
            raise BindError(
                trouble.code,
                endpoint=str(endpoint),
                path=self.url,
                hop="bind",
                detail=trouble.detail,
                hint=trouble.hint,
            ) from trouble.__cause__
        mine = {one.descriptor for one in handed}
        self._busy |= mine
        listener = SocketListener(sockets, lambda: self._busy.difference_update(mine))
        await listener.serve(protocol_factory, ssl)
        return listener

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """Tell what was handed over, and of each socket whether it can be listened on."""
        try:
            handed = self._choose()
        except Trouble as trouble:
            return [_failed("handover", self.url, trouble)]
        names = ", ".join(map(str, handed))
        return [
            Hop("handover", self.url, True, f"got {names}"),
            *(self._examine(one) for one in handed),
        ]

    async def reach(self, address: Endpoint, *, seconds: float) -> Call:
        """Connect to a handed socket, to a wildcard by loopback. Raises `UnreachedError`."""
        return await call_here(address, seconds=seconds)

    def _choose(self) -> list[Handed]:
        """Give the descriptors that are ours. Raises `Trouble` if there are none."""
        everything = handed_over(self._environ, first=self._first)
        if self._name:
            chosen = [one for one in everything if one.name == self._name]
        else:
            chosen = [one for one in everything if one.name not in self._others]
        if not chosen:
            there = ", ".join(one.name for one in everything)
            wanted = f'no socket named "{self._name}"' if self._name else "no other socket"
            raise Trouble("no-such-name", wanted=wanted, there=there)
        return chosen

    def _duplicate(self, handed: Sequence[Handed]) -> list[socket.socket]:
        """Give a socket for each descriptor, all or none. Raises `Trouble`."""
        with ExitStack() as opened:
            sockets = [opened.enter_context(self._open(one)) for one in handed]
            opened.pop_all()
        return sockets

    def _open(self, handed: Handed) -> socket.socket:
        if handed.descriptor in self._busy:
            raise Trouble("twice", socket=handed)
        try:
            return open_listening(handed.descriptor)
        except OSError as error:
            reason = error.strerror or str(error)
            raise Trouble(
                "unusable", code=wsa.code_of(error), socket=handed, error=reason
            ) from error

    def _examine(self, handed: Handed) -> Hop:
        try:
            with self._open(handed) as sock:
                return Hop("socket", str(address_of(sock)), True, f"{handed} listens")
        except Trouble as trouble:
            return _failed("socket", str(handed), trouble)


def handed_over(environ: Mapping[str, str], *, first: int = FIRST_DESCRIPTOR) -> list[Handed]:
    """
    Give the descriptors that were handed over to this process, as sd_listen_fds(3) tells them.

    Raises `Trouble` when there are none, or they are meant for another process.
    """
    pid, count, names = (environ.get(variable, "") for variable in VARIABLES)
    if not pid and not count:
        raise Trouble("nothing-handed")
    if pid != str(os.getpid()):
        raise Trouble("another-process", pid=pid or "(none)", own_pid=os.getpid())
    if not (count.isascii() and count.isdigit() and 0 < int(count) <= MOST_DESCRIPTORS):
        raise Trouble("no-number", count=count)
    given = names.split(":") if names else []
    given += [UNNAMED] * (int(count) - len(given))
    return [Handed(first + at, given[at] or UNNAMED) for at in range(int(count))]


def open_listening(descriptor: int) -> socket.socket:
    """
    Give a duplicate of a listening stream socket, without touching the descriptor itself.

    Raises `OSError`, with accept(2)'s own error numbers: EBADF, ENOTSOCK, EOPNOTSUPP for one that
    is no stream, EINVAL for one that doesn't listen; EAFNOSUPPORT for other address families.
    """
    duplicate = os.dup(descriptor)
    try:
        sock = socket.socket(fileno=duplicate)
    except OSError:
        os.close(duplicate)
        raise
    try:
        if sock.type != socket.SOCK_STREAM:
            raise OSError(errno.EOPNOTSUPP, "it is no stream socket")
        if sock.family not in [getattr(socket, name, None) for name in _FAMILIES]:
            raise OSError(errno.EAFNOSUPPORT, "it is no IPv4, IPv6 or Unix socket")
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise OSError(errno.EINVAL, "it does not listen")
    except OSError:
        sock.close()
        raise
    return sock


def _is_inherit(via: str) -> bool:
    return via.partition(":")[0].lower() == SCHEME


def _name_in(url: str) -> str:
    return url.partition(":")[2]


def _failed(hop: str, target: str, trouble: Trouble) -> Hop:
    return Hop(hop, target, False, trouble.detail, code=trouble.code, hint=trouble.hint)
