"""Every action at every stage, on both engines at once: what the client gets is the same."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bindpost.config.fault import ALLOWED, Fault
from bindpost.server.faults.bounces import VIA
from bindpost.server.store.store import Change

from .conftest import PATIENCE, Bench, Serve

LOGIN = base64.b64encode(b"\0ann\0secret").decode()
SESSION = (
    f"HELO old\r\nEHLO new\r\nAUTH PLAIN {LOGIN}\r\n"
    "RSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\n"
    "DATA\r\nSubject: x\r\n\r\nline one\r\nline two\r\n.\r\nNOOP\r\nQUIT\r\n"
).encode()
IN_CHUNKS = SESSION.replace(
    b"DATA\r\nSubject: x\r\n\r\nline one\r\nline two\r\n.\r\n",
    b"BDAT 4\r\nSubjBDAT 8\r\nect: x\r\nBDAT 12 LAST\r\n\r\nline one\r\n",
)
_ID = re.compile(rb"[0-9A-Za-z]{22}")
_DATE = re.compile(rb"Date: .*")
ENDS = ("drop", "reset")
"""Actions after which it depends on the network how much of the last words arrives."""


async def outcome(bench: Bench, fault: Fault, session: bytes) -> dict[str, Any]:
    """Have a session struck by a fault; tell what came of it."""
    bench.faults.clear()
    bench.faults.reset()
    bench.faults.add(fault)
    before = len(await bench.kept())
    changes = bench.store.changes()
    peer = await bench.connected()
    peer.send(session)
    with contextlib.suppress(OSError):
        peer.half_close()
    said = b""
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(ConnectionError):
            while piece := await peer.reader.read(1 << 16):
                said += piece
    await bench.sessions.wait_for(0)
    if fault.action == "bounce":
        await bounced(changes)
    return {
        "said": b"" if fault.action in ENDS else shown(said, fault),
        "kept": [_DATE.sub(b"", _ID.sub(b"ID", raw)) for raw in (await bench.kept())[before:]],
        "fired": [(one.stage, one.sender, one.recipients) for one in bench.faults.log()],
    }


async def bounced(changes: AsyncIterator[Change]) -> None:
    """Return when a bounce is in the inbox, which comes after its session."""
    async with asyncio.timeout(PATIENCE):
        async for change in changes:
            if change.row is not None and change.row.session.via == VIA:
                return


def shown(said: bytes, fault: Fault) -> bytes:
    """Give replies as they can be compared: ids are others each time."""
    if fault.action == "garble":
        said = bytes(octet & 0x7F for octet in said)
    return _ID.sub(b"ID", said)


async def both_strike(serve: Serve, stage: str, session: bytes, listener: dict[str, Any]) -> None:
    """Play a session under each action of a stage on both engines; all the same, and it fired."""
    benches = [
        await serve(engine=engine, personality="plain", listener=listener)
        for engine in ("fast", "stock")
    ]
    for action in ALLOWED[stage]:
        fault = Fault(
            stage=stage,  # type: ignore[arg-type]  # a key of the table
            action=action,  # type: ignore[arg-type]  # one of the table
            seconds=0.001,
            bytes=5,
            limit=0,
            keyword="SIZE",
        )
        fast, stock = [await outcome(bench, fault, session) for bench in benches]

        assert fast == stock, action
        assert fast["fired"], action


STAGES = [stage for stage in ALLOWED if stage not in ("STARTTLS", "TLS", "idle", "bind")]


@pytest.mark.parametrize(
    ("stage", "session"),
    [(stage, SESSION) for stage in STAGES]
    + [(stage, IN_CHUNKS) for stage in ("in-data", "end-of-data", "after-acceptance")],
    ids=lambda value: value if isinstance(value, str) else "BDAT" if b"BDAT" in value else "DATA",
)
async def test_both_engines_strike_alike(serve: Serve, stage: str, session: bytes) -> None:
    """The same words, the same mail kept, the same firings; and each action has fired."""
    await both_strike(serve, stage, session, {})


@pytest.mark.parametrize("stage", ["EHLO", "end-of-data", "after-acceptance"])
async def test_both_engines_strike_alike_in_lmtp(serve: Serve, stage: str) -> None:
    """Where LMTP differs."""
    session = SESSION.replace(b"EHLO", b"LHLO")

    await both_strike(serve, stage, session, {"protocol": "lmtp"})
