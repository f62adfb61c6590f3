"""What a stand-in server does wrong on purpose: one small class each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar, Final, Protocol, Self, final

from . import standin_rules
from .messages import Bind, Message, TcpBind

GARBAGE: Final = b"220 this is no Winsock Proxy\r\n"
LATE: Final = 1.0
"""Seconds by which `slow` is late: longer than a client waits before it asks again."""


class Server(Protocol):
    """What a misbehaviour can do to its server."""

    def die(self) -> None:
        """End as a process that is killed: all sockets close, nobody is told."""
        ...

    def forget(self) -> None:
        """Forget all sessions, as a service that was restarted."""
        ...


class Misbehaviour:
    """
    Nothing wrong; each subclass overrides what it does wrong.

    An object is for one server. `rules` are access rules beside the server's own.
    """

    name: ClassVar = "none"
    rules: Sequence[standin_rules.Rule] = ()

    @classmethod
    def make(cls, argument: str) -> Self:
        """Make one from what stands behind the colon in `NAME:ARGUMENT`; raises `ValueError`."""
        if argument:
            raise ValueError(f"{cls.name} takes nothing, not {argument!r}")
        return cls()

    @staticmethod
    def parse(text: str) -> Misbehaviour:
        """
        Read `NAME` or `NAME:ARGUMENT`; raises `ValueError` with a list of what is known.

        `none`, `silent`, `slow:SECONDS`, `garbage`, `refuse`, `die:WHEN`, `forget:WHEN`. WHEN is
        `bind`, `listen` or a number of datagrams; `listen` without it.
        """
        name, _, argument = text.partition(":")
        kind = MISBEHAVIOURS.get(name)
        if kind is None:
            raise ValueError(f"{name!r} is none of {', '.join(MISBEHAVIOURS)}")
        return kind.make(argument)

    def receive(self, message: Message, take: Callable[[], None], server: Server) -> None:
        """See each proper datagram of a client; `take` does what the server does with it."""
        del message, server
        take()

    def send(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """See each datagram that goes to a client."""
        send(data)


@final
class Silent(Misbehaviour):
    """Takes nothing, answers nothing."""

    name = "silent"

    def receive(self, message: Message, take: Callable[[], None], server: Server) -> None:
        """Pass over it."""


@final
class Slow(Misbehaviour):
    """Is late with every datagram, by `seconds`."""

    name = "slow"

    def __init__(self, seconds: float = LATE) -> None:
        self._seconds = seconds

    @classmethod
    def make(cls, argument: str) -> Self:
        """Read the seconds."""
        return cls(float(argument)) if argument else cls()

    def send(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """Send it later."""
        asyncio.get_running_loop().call_later(self._seconds, send, data)


@final
class Garbage(Misbehaviour):
    """Says things that are no Winsock Proxy message."""

    name = "garbage"

    def send(self, data: bytes, send: Callable[[bytes], None]) -> None:
        """Send something else."""
        del data
        send(GARBAGE)


@final
class Refuse(Misbehaviour):
    """Greets, and refuses every bind with 0x0804."""

    name = "refuse"
    rules = (standin_rules.nothing,)


class _Once(Misbehaviour):
    """Does something once, after a number of datagrams or after the first of a kind."""

    def __init__(self, when: int | type[Message] = TcpBind) -> None:
        self._when = when
        self._seen = 0
        self._done = False

    @classmethod
    def make(cls, argument: str) -> Self:
        """Read `bind`, `listen` or a number of datagrams."""
        kinds: dict[str, type[Message]] = {"": TcpBind, "listen": TcpBind, "bind": Bind}
        if argument in kinds:
            return cls(kinds[argument])
        if argument.isascii() and argument.isdecimal() and (count := int(argument)):
            return cls(count)
        raise ValueError(f"{argument!r} is neither bind nor listen nor a number of datagrams")

    def receive(self, message: Message, take: Callable[[], None], server: Server) -> None:
        """Have the server answer, then do it if this was the time."""
        take()
        self._seen += 1
        due = self._seen == self._when or type(message) is self._when
        if due and not self._done:
            self._done = True
            self.strike(server)

    def strike(self, server: Server) -> None:
        """Do it."""
        raise NotImplementedError


@final
class Die(_Once):
    """Works until then, and ends as a process that is killed."""

    name = "die"

    def strike(self, server: Server) -> None:
        """End the server."""
        server.die()


@final
class Forget(_Once):
    """Works, but forgets all sessions once, as a service that was restarted."""

    name = "forget"

    def strike(self, server: Server) -> None:
        """Forget the sessions."""
        server.forget()


MISBEHAVIOURS: Final[Mapping[str, type[Misbehaviour]]] = MappingProxyType(
    {kind.name: kind for kind in (Misbehaviour, Silent, Slow, Garbage, Refuse, Die, Forget)}
)
"""All of them, by the names that `Misbehaviour.parse` knows."""
