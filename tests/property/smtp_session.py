"""SMTP sessions without a network, for the properties: played on either engine to their end."""

from __future__ import annotations

import asyncio
import dataclasses
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

from ..fuzz.grammar import Grammar
from ..fuzz.target import all_done
from ..fuzz.wire import Wire

Engine = Literal["fast", "stock"]
PATIENCE = 10.0
_ID = re.compile(r"(?<=queued as )\w+|(?<=334 )[\w+/=]{30,}|\w+(?= was delivered, which)")
"""What no two sessions have in common: ids of messages, and the challenges of AUTH."""
MESSAGE_LIMIT = 5000
LMTP = "lmtp"
"""Stands among the personalities for `plain` that speaks LMTP."""


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


class Stage:
    """
    A listener without a network, on which sessions are played one after the other.

    Made inside a running loop. Without users every login is good.
    """

    def __init__(self, name: str, engine: Engine, users: Users | None = None) -> None:
        modern = name in ("plain", LMTP)
        listener = Listener(
            endpoint="127.0.0.1:0",
            protocol="lmtp" if name == LMTP else "smtp",
            xclient_trusted=("127.0.0.1",) if modern else (),
        )
        settings = Settings(
            hostname="mx.test",
            personality="plain" if modern else name,
            limits=Limits(message_size=MESSAGE_LIMIT),
            engine=engine,
        )
        resources = Resources.load(settings, hostname="mx.test", folder=Path())
        resources = dataclasses.replace(resources, accounts=Accounts(users))
        self.sessions = Sessions(1)
        self._store = MemoryStore(remembered=100)
        self._factory = session_factory(
            resources, listener, via="direct:", store=self._store, sessions=self.sessions
        )

    async def play(self, pieces: list[bytes]) -> Outcome:
        """Play a session in pieces, to its end; its mail is forgotten afterwards."""
        activity = self.sessions.activity
        before = (activity.accepted, activity.accepted_size, activity.rejected)
        wire = Wire(self._factory())
        async with asyncio.timeout(PATIENCE):
            await wire.play(pieces)
            await all_done()
        rows = list(reversed(await self._store.find(limit=0)))
        transcripts = [await self._store.transcript(row.id) or () for row in rows]
        outcome = Outcome(
            wire.output,
            [await self._store.raw(row.id) or b"" for row in rows],
            len(self.sessions),
            envelopes=[row.envelope for row in rows],
            facts=[
                (one.helo, one.esmtp, one.login, one.lmtp, one.xclient, one.xforward)
                for one in (row.session for row in rows)
            ],
            transcripts=[
                [(line.speaker, _ID.sub("ID", line.text)) for line in lines]
                for lines in transcripts
            ],
            counts=(
                activity.accepted - before[0],
                activity.accepted_size - before[1],
                activity.rejected - before[2],
            ),
        )
        await self._store.delete(None)
        return outcome

    async def close(self) -> None:
        """End what the listener has left to do."""
        await self.sessions.drain(PATIENCE)
        await self._store.close()


async def _run(name: str, pieces: list[bytes], engine: Engine, users: Users | None) -> Outcome:
    unhandled: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: unhandled.append(context))
    stage = Stage(name, engine, users)
    outcome = await stage.play(pieces)
    await stage.close()
    outcome.unhandled = unhandled
    return outcome


def run(
    name: str, pieces: list[bytes], engine: Engine = "fast", *, users: Users | None = None
) -> Outcome:
    """Play a session in pieces, to its end; without users every login is good."""
    with all_said() as logged:
        outcome = asyncio.run(_run(name, pieces, engine, users))
    outcome.logged = logged
    return outcome


LINES = [
    b"EHLO c", b"HELO c", b"MAIL FROM:<a@b>", b"MAIL FROM:<>", b"RCPT TO:<c@d>", b"DATA", b".",
    b"RSET", b"QUIT", b"NOOP", b"HELP", b"VRFY x", b"EXPN x", b"TURN", b"ETRN x", b"STARTTLS",
    b"TLS", b"AUTH LOGIN", b"AUTH PLAIN", b"AUTH LOGIN dXNlcg==", b"AUTH PLAIN AHUAcA==",
    b"dXNlcg==", b"*", b"AUTH CRAM-MD5", b"AUTH XOAUTH2", b"AUTH OAUTHBEARER =",
    b"XAUTH LOGIN", b"XEXCH50 3 2", b"XEXCH50 99999999 2",
    b"LHLO c", b"XCLIENT ADDR=192.0.2.1 LOGIN=ann", b"XCLIENT HELO=x PROTO=ESMTP", b"XCLIENT A=1",
    b"XFORWARD NAME=a.test", b"XFORWARD IDENT=+2Bx SOURCE=LOCAL",
    b"MAIL FROM:<a@b> SIZE=1 BODY=8BITMIME", b"RCPT TO:<c@d> NOTIFY=NEVER", b"..", b"",
    b"MAIL FROM:<a@b> BODY=BINARYMIME", b"BDAT 3", b"bdat 0 LAST", b"BDAT 12 LAST", b"BDAT x",
]  # fmt: skip
ENDS = [b"\r\n"] * 6 + [b"\n", b"\r", b"\r\r\n", b"\0\r\n"]
sessions = Grammar(LINES, ENDS).sequences()
names = st.sampled_from([*personality.names(), LMTP])


places = st.lists(st.integers(0, 100_000), max_size=8)
