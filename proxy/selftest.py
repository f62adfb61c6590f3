"""
The self-test of a bind path: binds it for a moment, and comes back in as a peer would.

What a walk without a bind can't see shows here: a proxy that binds and lets nobody in, a port that
is open on loopback only, a connection that is never announced. Nobody runs this but who asks for
it: not `serve`, and nothing that tries again.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, cast, final

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError

from . import wsa
from .calling import NO_WAY
from .provider import (
    BindProvider,
    Call,
    Finding,
    Hop,
    Listener,
    ListenerState,
    Reaching,
    Stream,
    UnreachedError,
)

BIND: Final = 10.0
"""Seconds for the bind."""
REACH: Final = 5.0
"""Seconds for the connection back in."""
ACCEPT: Final = 5.0
"""Seconds for the session to begin and its banner to come out."""
REPORT: Final = 1.0
"""Seconds that a listener may take to say why a connection ended without a banner."""
LEAVE: Final = 2.0
"""Seconds that a session may take to end after its client has hung up."""
LONGEST_BANNER: Final = 512
"""Octets of a reply line (RFC 5321, 4.5.3.1.5)."""
SHOWN: Final = 60
"""Bytes of a stranger's banner that are shown."""

_TURNS: Final = 3
"""
Turns of the loop that a connection takes from the system's queue to its transport.

An asyncio server that is closed in between fails an assertion and loses the socket (Python 3.11).
"""
_CROWDED: Final = (
    "another client may have come in the same moment: try again; else something between changes "
    "or holds what a session sends"
)
_WRONG_PEER: Final = "logs, mails and the accept and reject lists would have that address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long each step of a self-test may take, in seconds."""

    bind: float = BIND
    reach: float = REACH
    accept: float = ACCEPT
    report: float = REPORT
    leave: float = LEAVE


async def self_test(
    provider: BindProvider, endpoint: Endpoint, *, limits: Limits = Limits()
) -> list[Hop]:
    """
    Bind an endpoint, connect to each of its addresses as a peer, and close everything.

    Gives a hop for each step: `bind`, then for each address `reach` (a connection is made),
    `accept` (it became a session here, which got its own banner out) and `peer` (the session was
    told who is there). A hop that failed has the code of the event that `serve` would log, or none
    where it would log nothing. When this returns, raises or is cancelled, nothing is left.
    """
    trial = _Trial(provider, limits)
    try:
        for address in await trial.bind(endpoint):
            await trial.call(address)
    finally:
        leaving = asyncio.create_task(trial.leave())
        try:
            await asyncio.shield(leaving)
        except asyncio.CancelledError:
            await leaving
            raise
    return trial.hops


@final
class _Session(asyncio.Protocol):
    """
    Says who it is, and waits for its client to hang up.

    Who closes first holds the port (TIME_WAIT), on some proxies for a minute. The banner is a 421,
    so that a mail client that comes in this moment tries again later.
    """

    def __init__(self, sessions: _Sessions) -> None:
        self.banner = b"421 bindpost self-test %b\r\n" % secrets.token_hex(16).encode()
        self.peer: Endpoint | None = None
        self.ended = asyncio.Event()
        self.transport: asyncio.Transport
        self._sessions = sessions

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who is there, and say the banner."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        if self._sessions.closed:
            self.transport.abort()
            return
        name = transport.get_extra_info("peername")
        if isinstance(name, tuple):
            self.peer = Endpoint(str(name[0]), int(name[1]))
        self._sessions[self.banner] = self
        self.transport.write(self.banner)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        self.ended.set()


@final
class _Sessions(dict[bytes, _Session]):
    """The sessions that have begun, by their banners; `close` ends them, and those to come."""

    closed = False

    def begin(self) -> _Session:
        """Make a session; the protocol factory."""
        return _Session(self)

    async def close(self) -> None:
        """Cut all; returns when they have ended."""
        self.closed = True
        for session in tuple(self.values()):
            if not session.ended.is_set():
                session.transport.abort()
                await session.ended.wait()


@final
class _Trial:
    """One self-test; `hops` is what it has found so far."""

    def __init__(self, provider: BindProvider, limits: Limits) -> None:
        self.hops: list[Hop] = []
        self._provider = provider
        self._limits = limits
        self._listener: Listener | None = None
        self._open: Stream | None = None
        self._sessions = _Sessions()
        self._reported: asyncio.Future[BindError] = asyncio.get_running_loop().create_future()
        self._since = time.perf_counter()

    async def bind(self, endpoint: Endpoint) -> Sequence[Endpoint]:
        """Bind; gives where peers connect, nothing when it failed."""
        self._since = time.perf_counter()
        try:
            async with asyncio.timeout(self._limits.bind):
                self._listener = await self._provider.create_server(
                    self._sessions.begin, endpoint, report=self._report
                )
        except BindError as error:
            self._failed(error.hop, str(endpoint), error)
            return ()
        except TimeoutError:
            detail = f"it is not bound within {self._limits.bind:g} s"
            hint = "try again; `serve` waits longer"
            self._note("bind", str(endpoint), Finding(False, detail, hint), code=wsa.ENETDOWN)
            return ()
        addresses = self._listener.addresses
        bound = ", ".join(map(str, addresses))
        self._note("bind", str(endpoint), Finding(True, f"bound {bound} for a moment", ""))
        return addresses

    async def call(self, address: Endpoint) -> None:
        """Come in at an address, and see who is met."""
        try:
            if not isinstance(self._provider, Reaching):
                raise UnreachedError(NO_WAY)
            call = await self._provider.reach(address, seconds=self._limits.reach)
        except UnreachedError as error:
            self._note("reach", str(address), error.finding)
            self._note("accept", str(address), Finding(None, "not reached", ""))
            return
        self._open = call.stream
        self._note("reach", str(address), Finding(True, _arrival(call), ""))
        session = await self._meet(call, address)
        await self._hang_up()
        if session is not None:
            with suppress(TimeoutError):  # `leave` cuts it
                async with asyncio.timeout(self._limits.leave):
                    await session.ended.wait()

    async def leave(self) -> None:
        """Close everything that this has opened."""
        await self._hang_up()
        await self._sessions.close()
        if self._listener is not None:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            self._listener.close()
            await self._listener.wait_closed()

    async def _meet(self, call: Call, address: Endpoint) -> _Session | None:
        """Find out whether the connection became a session here; gives it."""
        before = set(self._sessions)
        heard = await self._listen(call)
        session = self._sessions.get(heard)
        if session is not None:
            detail = "the connection became a session here, and its banner came out"
            self._note("accept", str(address), Finding(True, detail, ""))
            self._compare(call, session, address)
            return session
        error = await self._reason()
        if error is not None:
            self._failed("accept", str(address), error)
        elif heard:
            shown = repr(heard[:SHOWN].decode("ascii", "backslashreplace"))
            detail = f"what answers at {address} is not this listener: {shown}"
            hint = "another program has that address there: give this listener another port"
            self._note("accept", str(address), Finding(False, detail, hint))
        elif self._sessions.keys() - before:
            detail = "a session began, and its banner did not come out"
            self._note("accept", str(address), Finding(False, detail, _CROWDED))
        else:
            self._note("accept", str(address), call.silent)
        return None

    async def _listen(self, call: Call) -> bytes:
        """Give the line that the connection brings, or what there is of it."""
        heard = b""
        reading = asyncio.ensure_future(call.stream.read(LONGEST_BANNER))
        try:
            async with asyncio.timeout(self._limits.accept):
                while not heard.endswith(b"\n") and len(heard) < LONGEST_BANNER:
                    await asyncio.wait(
                        (reading, self._reported), return_when=asyncio.FIRST_COMPLETED
                    )
                    if not reading.done() or not (data := reading.result()):
                        break
                    heard += data
                    reading = asyncio.ensure_future(call.stream.read(LONGEST_BANNER))
        except OSError:  # a reset, or it took too long
            pass
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        return heard

    async def _reason(self) -> BindError | None:
        """Give what the listener reports of a failure, if it does so soon."""
        done, _ = await asyncio.wait((self._reported,), timeout=self._limits.report)
        return self._reported.result() if done else None

    def _compare(self, call: Call, session: _Session, address: Endpoint) -> None:
        """See whether the session was told the caller as its peer, not the proxy."""
        peer = session.peer
        if peer is None:
            if not address.is_unix:
                finding = Finding(None, "this path does not tell who the peer is", "")
                self._note("peer", str(address), finding)
            return
        is_caller = call.is_from(peer)
        if is_caller:
            finding = Finding(True, f"the session was told {peer}, which is who came", "")
        elif call.name is None:
            finding = Finding(
                None, f"the session was told {peer}; who really came can't be told", ""
            )
        else:
            detail = f"the session was told {peer}, and it was {_named(call.name)} who came"
            finding = Finding(is_caller, detail, _WRONG_PEER)
        self._note("peer", str(address), finding)

    async def _hang_up(self) -> None:
        if self._open is not None:
            await self._open.close()
            self._open = None

    def _report(self, state: ListenerState, error: BindError | None) -> None:
        """Take a listener's report: the first failure is what `serve` would log."""
        del state
        if error is not None and not self._reported.done():
            self._reported.set_result(error)

    def _failed(self, name: str, target: str, error: BindError) -> None:
        self._note(name, target, Finding(False, error.detail, error.hint), code=error.code)

    def _note(self, name: str, target: str, finding: Finding, *, code: int | None = None) -> None:
        """Note a step with the time since the last one."""
        now = time.perf_counter()
        took, self._since = (now - self._since) * 1000, now
        self.hops.append(
            Hop(name, target, finding.ok, finding.detail, took, code=code, hint=finding.hint)
        )


def _arrival(call: Call) -> str:
    return "connected" if call.name is None else f"connected from {_named(call.name)}"


def _named(name: Endpoint) -> str:
    return str(name) if name.port else name.host
