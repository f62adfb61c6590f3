"""NOTIFY=SUCCESS is honoured: the sender gets a notification, once and only if it asks for one."""

from __future__ import annotations

import asyncio
import email
import email.policy
import sys
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from typing import Any, cast

import pytest

from bindpost.config.fault import Fault
from bindpost.errors import StoreFullError
from bindpost.server.faults.bounces import Bounces
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    Transcript,
    utc_now,
)
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow

from .conftest import PATIENCE, Bench, Serve

Start = Callable[..., Awaitable[Bench]]
SUCCESS = "RCPT TO:<c@d> NOTIFY=SUCCESS"
TEXT = "Subject: x\r\nX-Mine: y\r\n\r\nsecret\r\n"


@pytest.fixture(params=["fast", "stock"])
def start(request: pytest.FixtureRequest, serve: Serve) -> Start:
    """Give what starts a service that honours DSN, on either engine."""

    async def start_one(**settings: Any) -> Bench:
        return await serve(**{"engine": request.param, "personality": "plain"} | settings)

    return start_one


async def send(bench: Bench, *commands: str) -> None:
    """Send a message by these commands."""
    peer = await bench.ehlo()
    for command in commands:
        assert (await peer.say(command)).startswith(b"250 "), command
    assert (await peer.say("DATA")).startswith(b"354 ")
    assert (await peer.say(TEXT + ".")).startswith(b"250 ")


async def kept(bench: Bench, number: int) -> list[MessageRow]:
    """Give so many messages in the order in which they came, when they have."""
    rows = []
    async with asyncio.timeout(PATIENCE):
        async for change in bench.store.changes(0):
            rows += [change.row] if change.row is not None else []
            if len(rows) == number:
                break
    return rows


async def only_messages(bench: Bench, number: int) -> list[MessageRow]:
    """Give all messages; one that is confirmed comes last, so that none can come after it."""
    await send(bench, "MAIL FROM:<end@b>", SUCCESS)
    *rows, last, confirmation = await kept(bench, number + 2)
    assert last.envelope.reverse_path == "end@b"
    assert [to.address for to in confirmation.envelope.recipients] == ["end@b"]
    return rows


async def parsed(bench: Bench, row: MessageRow) -> EmailMessage:
    """Give a message as Python's own parser reads it."""
    raw = await bench.store.raw(row.id) or b""
    return email.message_from_bytes(raw, policy=email.policy.default)


async def test_a_delivery_is_confirmed(start: Start) -> None:
    """RFC 3464's report names each recipient that asked, in its own words, and no other."""
    bench = await start()
    await send(
        bench,
        "MAIL FROM:<alice@b> RET=FULL ENVID=QQ+2B314159",
        "RCPT TO:<bob@d> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+2BA@Big-Bucks.com",
        "RCPT TO:<carol@d> NOTIFY=SUCCESS",
        "RCPT TO:<dave@d> NOTIFY=FAILURE,DELAY",
        "RCPT TO:<eve@d> NOTIFY=NEVER",
        "RCPT TO:<frank@d>",
    )

    message, row = await kept(bench, 2)
    report = await parsed(bench, row)

    assert row.envelope.reverse_path == ""
    assert [one.address for one in row.envelope.recipients] == ["alice@b"]
    assert (row.session.via, row.session.faults) == ("dsn", ())
    assert await bench.transcript(row) == [
        ("-", f"{message.id} was delivered, which NOTIFY asks to be told")
    ]
    assert report["To"] == "alice@b"
    assert report["Auto-Submitted"] == "auto-replied"
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    text, status, header = report.iter_parts()
    assert "delivered to:\n  <bob@d>\n  <carol@d>\n" in text.get_content().replace("\r\n", "\n")
    whole, bob, carol = cast("list[EmailMessage]", status.get_payload())
    assert whole["Original-Envelope-Id"] == "QQ+314159"
    assert whole["Reporting-MTA"] == "dns; exchange"
    assert bob.items() == [
        ("Original-Recipient", "rfc822;Bob+A@Big-Bucks.com"),
        ("Final-Recipient", "rfc822; bob@d"),
        ("Action", "delivered"),
        ("Status", "2.0.0"),
    ]
    assert carol["Final-Recipient"] == "rfc822; carol@d"
    assert "Original-Recipient" not in carol
    assert header.get_content_type() == "text/rfc822-headers"
    assert b"X-Mine: y" in header.as_bytes()
    assert b"secret" not in report.as_bytes()


@pytest.mark.parametrize(
    "commands",
    [
        ("MAIL FROM:<>", SUCCESS),
        ("MAIL FROM:<a@b>", "RCPT TO:<c@d> NOTIFY=NEVER"),
        ("MAIL FROM:<a@b>", "RCPT TO:<c@d> NOTIFY=FAILURE,DELAY"),
        ("MAIL FROM:<a@b> RET=HDRS ENVID=x", "RCPT TO:<c@d> ORCPT=rfc822;c@d"),
    ],
)
async def test_who_does_not_ask_is_not_told(start: Start, commands: tuple[str, str]) -> None:
    """The null path never is (RFC 5321, 4.5.5)."""
    bench = await start()
    await send(bench, *commands)

    rows = await only_messages(bench, 1)

    assert [row.session.via for row in rows] == ["direct:"]


@pytest.mark.parametrize("name", ["ims-5.5", "ims-5.0"])
async def test_ims_takes_the_parameters_only(start: Start, name: str) -> None:
    """As it did; nothing is known of its notifications."""
    bench = await start(personality=name)
    await send(bench, "MAIL FROM:<a@b>", SUCCESS)
    await send(bench, "MAIL FROM:<a@b>", "RCPT TO:<c@d> NOTIFY=SUCCESS ORCPT=rfc822;c+zz@d")

    rows = await only_messages(await start(store=bench.store), 2)

    assert [row.session.via for row in rows] == ["direct:"] * 2


async def test_what_bounces_or_is_lost_is_not_confirmed(start: Start) -> None:
    """A message has one fate; one that is kept twice is confirmed once."""
    bounce = Fault(name="bounce", stage="after-acceptance", action="bounce", count=1)
    lose = Fault(name="lose", stage="after-acceptance", action="lose", count=1)
    double = Fault(name="double", stage="after-acceptance", action="duplicate", count=1)
    bench = await start(fault=(bounce, lose, double))
    for _ in range(3):
        await send(bench, "MAIL FROM:<a@b> RET=FULL", "RCPT TO:<c@d> NOTIFY=SUCCESS,FAILURE")

    rows = await only_messages(bench, 5)

    assert sorted(row.session.via for row in rows) == ["bounce", *["direct:"] * 3, "dsn"]
    (failed,) = [row for row in rows if row.session.via == "bounce"]
    raw = await bench.store.raw(failed.id) or b""
    assert b"Action: failed\r\n" in raw
    assert b"message/rfc822" in raw
    assert b"secret" in raw


class FullStore(MemoryStore):  # type: ignore[misc]  # final for users; this is a fake of it
    """A store that has no room for notifications."""

    async def add(
        self, message: Message, transcript: Transcript, *, mailbox: str | None = None
    ) -> MessageRow:
        """Keep a message of a session's."""
        if message.session.via == "dsn":
            raise StoreFullError("no room")
        return await super().add(message, transcript, mailbox=mailbox)


async def test_a_notification_that_fails_harms_nothing(start: Start) -> None:
    """The message was accepted, and its client hears so."""
    bench = await start(store=FullStore())
    await send(bench, "MAIL FROM:<a@b>", SUCCESS)

    assert await bench.kept() == [TEXT.encode()]


async def test_only_a_bounce_is_sent_on() -> None:
    """The relay gets no mail that any client can have written; TLS goes on being required."""
    store, sent = MemoryStore(), asyncio.Queue[MessageRow]()
    bounces = Bounces(store, hostname="mx.test")
    bounces.send = sent.put
    to = Recipient("c@d", {"NOTIFY": "SUCCESS,FAILURE"})
    facts = SessionFacts("1", utc_now(), "127.0.0.1:25", "direct:", "plain")
    envelope = Envelope("a@b", (to,), {"REQUIRETLS": None})
    message = Message("1", utc_now(), envelope, facts, TEXT.encode())

    await bounces.confirm(message)
    bounces.plan(message, Fault(name="late", stage="after-acceptance", action="bounce"))
    async with asyncio.timeout(PATIENCE):
        row = await sent.get()
    bounce, success = await store.find()
    await bounces.close()
    await store.close()

    assert row == bounce
    assert sent.empty()
    assert [one.session.via for one in (bounce, success)] == ["bounce", "dsn"]
    assert dict(bounce.envelope.parameters) == {"REQUIRETLS": None}


async def test_a_body_does_not_wait_in_memory_for_its_bounce() -> None:
    """Thousands may wait for a day; with RET=FULL it is the store that has it then, or nobody."""
    store = MemoryStore()
    bounces = Bounces(store, hostname="mx.test")
    facts = SessionFacts("1", utc_now(), "127.0.0.1:25", "direct:", "plain")
    envelope = Envelope("a@b", (Recipient("c@d"),), {"RET": "FULL"})
    raw = TEXT.encode() + b"x" * 100
    held = sys.getrefcount(raw)
    late = Fault(name="late", stage="after-acceptance", action="bounce", seconds=0.001)

    bounces.plan(Message("1", utc_now(), envelope, facts, raw), late)

    assert sys.getrefcount(raw) == held
    async with asyncio.timeout(PATIENCE):
        change = await anext(store.changes(0))
    assert change.row is not None
    told = await store.raw(change.row.id) or b""
    assert b"text/rfc822-headers\r\n\r\nSubject: x\r\nX-Mine: y\r\n\r\n--" in told
    await bounces.close()
    await store.close()
