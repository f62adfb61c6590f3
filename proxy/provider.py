"""The seam between proxy and server: what brings connections, in asyncio's own terms."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError

from .bindpath import BindPath

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class ListenerState(StrEnum):
    """Where a listener is in its life."""

    STARTING = "starting"
    LISTENING = "listening"
    BUSY = "busy"
    """Bound, but its only slot is taken (SOCKS BIND)."""
    RETRYING = "retrying"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Hop:
    """
    One step of a bind path as `diagnose` walked it.

    `ok` is None when the step was not reached. `milliseconds` is how long it took. `code` is the
    Winsock error that event 4007 would carry if `serve` met the same, `hint` what to do about it.
    """

    name: str
    target: str
    ok: bool | None
    detail: str
    milliseconds: float = 0.0
    code: int | None = None
    hint: str = ""


def failed_hop(error: BindError, target: str, milliseconds: float = 0.0) -> Hop:
    """Give the hop at which a bind, or a walk, has failed."""
    return Hop(
        error.hop, target, False, error.detail, milliseconds, code=error.code, hint=error.hint
    )


Report = Callable[[ListenerState, BindError | None], None]
"""
Told of each change of a bound listener's state, with the error that caused it.

RETRYING: the path was lost and the provider binds again by itself; LISTENING: it is back; BUSY: its
only slot is taken; FAILED: it was lost and the provider has given up. Never called before
`create_server` has returned.
"""


class Listener(Protocol):
    """
    A bound endpoint; it has the methods of `asyncio.AbstractServer` that a service needs.

    `addresses` is what peers dial and is stable for the listener's life. `capacity` is how many
    sessions it can carry at once, None for no limit. `close()` stops accepting and leaves nothing
    behind, but does not cut sessions that live.
    """

    @property
    def addresses(self) -> Sequence[Endpoint]:
        """Where peers connect, with the port that was really bound."""
        ...

    @property
    def capacity(self) -> int | None:
        """How many sessions at once; None for no limit."""
        ...

    @property
    def state(self) -> ListenerState:
        """Where the listener is in its life."""
        ...

    def close(self) -> None:
        """Stop accepting."""
        ...

    async def wait_closed(self) -> None:
        """Return when nothing of the listener is left; live sessions are not waited for."""
        ...


class BindProvider(Protocol):
    """
    Turns an endpoint into a listener.

    The transport handed to each protocol tells the real peer as `peername` (None if unknown, never
    the proxy) and the provider as extra info `via`. Two providers that compare equal bind the same
    way; a reload keeps what such a one has bound.
    """

    @property
    def url(self) -> str:
        """The bind path as a URL, credentials redacted."""
        ...

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        *,
        ssl: ssl.SSLContext | None = None,
        report: Report | None = None,
    ) -> Listener:
        """
        Bind and listen; returns only when the address is really bound.

        Raises `BindError`. Cancelling it leaves no socket, thread or remote listener behind.
        """
        ...

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """Walk the path hop by hop and tell each; binds nothing, raises for nothing it finds."""
        ...


@runtime_checkable
class Warns(Protocol):
    """What a provider may have besides: something to say about the files that it was made from."""

    @property
    def warnings(self) -> Sequence[str]:
        """Sentences that name file and line; nothing in them stops a bind."""
        ...


def warnings_of(provider: BindProvider) -> Sequence[str]:
    """Give a provider's warnings, if it has any."""
    return provider.warnings if isinstance(provider, Warns) else ()


@runtime_checkable
class Deciding(Protocol):
    """What a `BindProvider` has beside if rules decide which path a bind takes."""

    async def decision(self, endpoint: Endpoint) -> BindPath | None:
        """Say which path a bind takes and by which rule; asks no proxy. None: no rule decides."""
        ...


async def decision_of(provider: BindProvider, endpoint: Endpoint) -> BindPath | None:
    """Give the decision of a provider that goes by rules, None for any other."""
    return await provider.decision(endpoint) if isinstance(provider, Deciding) else None


# The add-on of a provider that can be tested from end to end; see `selftest`


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a connection made as a peer makes it; `ok` is None when that can't be told."""

    ok: bool | None
    detail: str
    hint: str


class UnreachedError(Exception):
    """No connection was made; `finding` says whether peers can make none either."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.detail)


class Stream(Protocol):
    """The bytes of a connection, from the peer's side."""

    async def read(self, limit: int) -> bytes:
        """Give what has come, `limit` bytes at most; nothing at the end. Raises `OSError`."""
        ...

    def write(self, data: bytes) -> None:
        """Send data; does not block."""
        ...

    async def close(self) -> None:
        """Hang up; returns when nothing of the connection is left here. May be called again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """
    A connection to a listener, made as a peer makes it.

    `name` is where it comes from, as the listener should be told it: None if that isn't known, port
    0 if its port isn't. `exact` says that nothing on the way may give it another name. `proxy` is
    the proxy's own address, if that is known. `silent` is what it means when no session begins.
    """

    stream: Stream
    silent: Finding
    name: Endpoint | None = None
    exact: bool = False
    proxy: str = ""

    def is_from(self, peer: Endpoint) -> bool | None:
        """Say whether a peer that a listener was told is this caller; None if nobody can say."""
        if self.name is None:
            return None
        if peer.host == self.name.host and self.name.port in (0, peer.port):
            return True
        return False if self.exact or peer.host == self.proxy else None


@runtime_checkable
class Reaching(Protocol):
    """A bind provider that can also come in from the other side; looked for at run time."""

    async def reach(self, address: Endpoint, *, seconds: float) -> Call:
        """
        Connect to an address of a listener of this provider, as a peer would.

        That is through the same proxy where the path has one. Raises `UnreachedError`, after
        `seconds` at the latest; then, and when cancelled, nothing is left. The connection is the
        caller's to close.
        """
        ...
