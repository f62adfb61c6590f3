"""The relay at work: what is relayed by itself, and what it says of that."""

from __future__ import annotations

import asyncio
import smtplib
from pathlib import Path

from bindpost import events
from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Listener, Settings
from bindpost.server.app import Bindpost
from bindpost.server.message.model import utc_now
from bindpost.server.store.memory import MemoryStore

from .conftest import Deliver, Log, Run
from .mta import Mta

EVERYBODY = ("*",)


async def test_matching_recipients_only(run: Run, deliver: Deliver, mta: Mta) -> None:
    """Only the recipients that match are relayed to, and only messages that have one."""
    async with run(recipients=("*@example.org", "boss@*")):
        await deliver(to=["x@elsewhere.example"])
        await deliver(to=["x@elsewhere.example", "B@Example.ORG", "boss@x", "bigboss@x"])
        mails = await mta.wait_for(1)

    assert [mail.recipients for mail in mails] == [["<B@Example.ORG>", "<boss@x>"]]


async def test_a_message_of_another_inbox_is_not_relayed(
    run: Run, deliver: Deliver, mta: Mta
) -> None:
    """It is no new mail; what comes behind it is relayed."""
    async with run(recipients=EVERYBODY):
        await deliver(b"Subject: moved\r\n\r\n", moved=utc_now())
        await deliver(b"Subject: new\r\n\r\n")
        mails = await mta.wait_for(1)

    assert [mail.raw for mail in mails] == [b"Subject: new\r\n\r\n"]


async def test_what_another_node_took_is_not_relayed(run: Run, deliver: Deliver, mta: Mta) -> None:
    """It is that node's to send; what is nobody's, from before nodes had names, is relayed."""
    async with run(recipients=EVERYBODY, node="a"):
        await deliver(b"Subject: b's\r\n\r\n", node="b")
        await deliver(b"Subject: a's\r\n\r\n", node="a")
        await deliver(b"Subject: nobody's\r\n\r\n")
        mails = await mta.wait_for(2)

    assert {mail.raw for mail in mails} == {
        b"Subject: a's\r\n\r\n",
        b"Subject: nobody's\r\n\r\n",
    }


async def test_another_node_releases_it_by_hand(run: Run, deliver: Deliver, mta: Mta) -> None:
    """Who releases a message means it, wherever it was taken."""
    async with run(recipients=EVERYBODY, node="a") as relay:
        await relay.release(await deliver(node="b"), None)
        mails = await mta.wait_for(1)

    assert len(mails) == 1


async def test_an_address_that_is_no_text_holds_nothing_up(
    run: Run, deliver: Deliver, mta: Mta
) -> None:
    """An address with octets of no charset is passed over; what follows is relayed."""
    async with run(recipients=EVERYBODY):
        await deliver(b"Subject: 1\r\n\r\n", to=["\ud800@x"])
        await deliver(b"Subject: 2\r\n\r\n")
        mails = await mta.wait_for(1)

    assert [mail.raw for mail in mails] == [b"Subject: 2\r\n\r\n"]


async def test_mail_from_before_is_left_alone(run: Run, deliver: Deliver, mta: Mta) -> None:
    """What is in the inbox when the relay is first set up isn't sent."""
    await deliver(b"Subject: old\r\n\r\n")
    async with run(recipients=EVERYBODY):
        await deliver(b"Subject: new\r\n\r\n")
        mails = await mta.wait_for(1)

    assert [mail.raw for mail in mails] == [b"Subject: new\r\n\r\n"]


async def test_a_hundred_messages_are_relayed_once_each(run: Run, mta: Mta, tmp_path: Path) -> None:
    """While sessions go on, each message is relayed once, by four connections at most."""
    settings = Settings(
        listener=(Listener(endpoint="127.0.0.1:0"),), web="off", data=str(tmp_path / "data")
    )

    def session(sender: int) -> None:
        host, port = app.smtp[0].host, app.smtp[0].port
        with smtplib.SMTP(host, port, local_hostname="client.example") as smtp:
            for number in range(10):
                mail = f"Subject: {sender}-{number}\r\n\r\n"
                smtp.sendmail("a@example.com", ["b@example.org"], mail)

    async with (
        Bindpost(settings, folder=tmp_path) as app,
        run(over=app.store, data=tmp_path / "data", recipients=EVERYBODY, listeners=app.smtp),
    ):
        async with asyncio.TaskGroup() as senders:
            for sender in range(10):
                senders.create_task(asyncio.to_thread(session, sender))
        mails = await mta.wait_for(100)

    wanted = sorted(f"Subject: {n // 10}-{n % 10}\r\n\r\n".encode() for n in range(100))
    assert sorted(mail.raw for mail in mails) == wanted
    assert 1 < mta.most_at_once <= 4


async def test_another_bindpost_may_be_the_server(
    run: Run, deliver: Deliver, log: Log, tmp_path: Path
) -> None:
    """Relayed to a second bindpost, a message is there with the same bytes and envelope."""
    settings = Settings(
        listener=(Listener(endpoint="127.0.0.1:0"),),
        web="off",
        data=":memory:",
        personality="plain",
    )
    raw = b"Subject: Hi\r\n\r\n.dot\r\n\xe9 8bit\r\nbare\nLF\r\n"
    async with Bindpost(settings, folder=tmp_path) as there:
        async with run(server=str(there.smtp[0]), recipients=EVERYBODY):
            await deliver(raw, to=["b@example.org", "c@example.org"])
            await log.wait_for(events.RELAY_SENT)
        (row,) = await there.store.find()
        kept = await there.store.raw(row.id)

    assert kept == raw
    assert row.envelope.reverse_path == "a@example.com"
    assert [to.address for to in row.envelope.recipients] == ["b@example.org", "c@example.org"]


async def test_a_follower_that_is_left_behind_loses_nothing(
    run: Run, deliver: Deliver, mta: Mta
) -> None:
    """When the store forgets changes faster than they are followed, the inbox is looked through."""
    store = MemoryStore(remembered=2)
    async with run(over=store, recipients=EVERYBODY):
        for number in range(30):
            await deliver(f"Subject: {number:02}\r\n\r\n".encode(), into=store)
        mails = await mta.wait_for(30)
    await store.close()

    assert sorted(mail.raw for mail in mails) == [
        f"Subject: {number:02}\r\n\r\n".encode() for number in range(30)
    ]


async def test_it_says_that_it_is_on(run: Run, log: Log, mta: Mta) -> None:
    """At the start the server and the way there are told, without a password."""
    async with run(via="socks5://me:s3cret@127.0.0.1:1080", recipients=EVERYBODY):
        pass

    (on,) = log.of(events.RELAY_ON)
    assert on["server"] == str(Endpoint(*mta.address))
    assert on["via"] == "socks5://me:***@127.0.0.1:1080"
    assert (on["waiting"], on["patterns"]) == (0, ["*"])
