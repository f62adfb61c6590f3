"""SMTP sessions without a network, for the properties: played on either engine to their end."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hypothesis import strategies as st

from bindpost.config.model import Limits, Listener, Settings
from bindpost.server.logins import Users
from bindpost.server.smtp import personality
from bindpost.server.smtp.accounts import Accounts
from bindpost.server.smtp.service import Resources, session_factory
from bindpost.server.smtp.sessions import Sessions
from bindpost.server.store.memory import MemoryStore
from bindpost.testing.logged import all_said

Engine = Literal["fast", "stock"]
PATIENCE = 10.0
_ID = re.compile(r"(?<=queued as )\w+|(?<=334 )[\w+/=]{30,}")
"""What no two sessions have in common: ids of messages, and the challenges of AUTH."""
MESSAGE_LIMIT = 5000


class Wire(asyncio.Transport):
    """A transport without a network."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__({"peername": ("127.0.0.1", 4007), "sockname": ("127.0.0.1", 25)})
        self.output = b""
        self.closed = asyncio.Event()
        self._protocol = protocol
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Note a write."""
        self.output += data

    def is_closing(self) -> bool:
        """Tell whether it is closed."""
        return self.closed.is_set()

    def close(self) -> None:
        """Close; the protocol hears of it in the next round of the loop."""
        if not self.closed.is_set():
            self.closed.set()
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        """Take no notice."""

    def resume_reading(self) -> None:
        """Take no notice."""


@dataclass
class Outcome:
    """What came of a session."""

    output: bytes
    kept: list[bytes]
    left: int
    envelopes: list[object] = field(default_factory=list)
    facts: list[object] = field(default_factory=list)
    transcripts: list[list[tuple[str, str]]] = field(default_factory=list)
    counts: tuple[int, int, int] = (0, 0, 0)
    logged: list[Any] = field(default_factory=list)
    unhandled: list[dict[str, Any]] = field(default_factory=list)

    @property
    def replies(self) -> bytes:
        """The replies without what no two sessions have in common."""
        return re.sub(_ID.pattern.encode(), b"ID", self.output)


async def _play(name: str, pieces: list[bytes], engine: Engine, users: Users | None) -> Outcome:
    unhandled: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: unhandled.append(context))
    listener = Listener(endpoint="127.0.0.1:0")
    settings = Settings(
        hostname="mx.test",
        personality=name,
        limits=Limits(message_size=MESSAGE_LIMIT),
        engine=engine,
    )
    resources = Resources.load(settings, hostname="mx.test", folder=Path())
    resources = dataclasses.replace(resources, accounts=Accounts(users))
    sessions, store = Sessions(1), MemoryStore()
    factory = session_factory(resources, listener, via="direct:", store=store, sessions=sessions)
    protocol = factory()
    wire = Wire(protocol)
    for piece in pieces:
        if not wire.is_closing():
            protocol.data_received(piece)
        await asyncio.sleep(0)
    if not wire.is_closing():
        protocol.eof_received()
    async with asyncio.timeout(PATIENCE):
        await wire.closed.wait()
    await sessions.drain(PATIENCE)
    rows = await store.find(limit=0)
    kept = [await store.raw(row.id) or b"" for row in reversed(rows)]
    transcripts = [await store.transcript(row.id) or () for row in reversed(rows)]
    await store.close()
    activity = sessions.activity
    return Outcome(
        wire.output,
        kept,
        len(sessions),
        envelopes=[row.envelope for row in reversed(rows)],
        facts=[(row.session.helo, row.session.esmtp, row.session.login) for row in reversed(rows)],
        transcripts=[[(line.speaker, _ID.sub("ID", line.text)) for line in t] for t in transcripts],
        counts=(activity.accepted, activity.accepted_size, activity.rejected),
        unhandled=unhandled,
    )


def run(
    name: str, pieces: list[bytes], engine: Engine = "fast", *, users: Users | None = None
) -> Outcome:
    """Play a session in pieces, to its end; without users every login is good."""
    with all_said() as logged:
        outcome = asyncio.run(_play(name, pieces, engine, users))
    outcome.logged = logged
    return outcome


LINES = [
    b"EHLO c", b"HELO c", b"MAIL FROM:<a@b>", b"MAIL FROM:<>", b"RCPT TO:<c@d>", b"DATA", b".",
    b"RSET", b"QUIT", b"NOOP", b"HELP", b"VRFY x", b"EXPN x", b"TURN", b"ETRN x", b"STARTTLS",
    b"TLS", b"AUTH LOGIN", b"AUTH PLAIN", b"AUTH LOGIN dXNlcg==", b"AUTH PLAIN AHUAcA==",
    b"dXNlcg==", b"*", b"AUTH CRAM-MD5", b"AUTH XOAUTH2", b"AUTH OAUTHBEARER =",
    b"XAUTH LOGIN", b"XEXCH50 3 2", b"XEXCH50 99999999 2",
    b"MAIL FROM:<a@b> SIZE=1 BODY=8BITMIME", b"RCPT TO:<c@d> NOTIFY=NEVER", b"..", b"",
    b"MAIL FROM:<a@b> BODY=BINARYMIME", b"BDAT 3", b"bdat 0 LAST", b"BDAT 12 LAST", b"BDAT x",
]  # fmt: skip
ends = st.sampled_from([b"\r\n"] * 6 + [b"\n", b"\r", b"\r\r\n", b"\0\r\n"])
noise = st.binary(max_size=40) | st.binary(max_size=3).map(lambda piece: piece * 900)
lines = st.tuples(st.sampled_from(LINES), ends).map(b"".join)
sessions = st.lists(lines | noise, max_size=25).map(b"".join)
names = st.sampled_from(personality.names())


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes into pieces at these places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes into pieces at these places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


places = st.lists(st.integers(0, 100_000), max_size=8)
