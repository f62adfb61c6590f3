"""The relay at work: queue, retries, what is relayed by itself, and that nothing goes round."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bindpost import events
from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Listener, Relay, Settings
from bindpost.errors import StoreError
from bindpost.server.app import Bindpost
from bindpost.server.message.job import Job
from bindpost.server.message.model import utc_now
from bindpost.server.relay import Route, relaying
from bindpost.server.relay.loops import relay_name
from bindpost.server.store import open_store
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow

Mta = Any
Log = Any
Run = Callable[..., Any]
Deliver = Callable[..., Any]
EVERYBODY = ("*",)


async def the_job(relay: Any, row: MessageRow) -> Job:
    """Give the only job of a message."""
    (job,) = await relay.jobs(row.id)
    assert isinstance(job, Job)
    return job


# Releases


async def test_a_release_is_queued_and_sent(
    run: Run, deliver: Deliver, mta: Mta, log: Log, store: MemoryStore
) -> None:
    """A released message reaches the addresses that were named, byte for byte."""
    row = await deliver()
    async with run() as relay:
        queued = await relay.release(row, ["jane@example.org", "jane@example.org", "joe@x"])
        await log.wait_for(events.RELAY_SENT)
        job = await the_job(relay, row)

    assert (queued.state, queued.kind) == ("queued", "release")
    assert (job.state, job.attempts, job.due, job.error) == ("sent", 1, None, "")
    assert [(one.address, one.code, one.reply) for one in job.recipients] == [
        ("jane@example.org", 250, "taken"),
        ("joe@x", 250, "taken"),
    ]
    assert mta.mails[0].raw == await store.raw(row.id)
    assert mta.mails[0].recipients == ["<jane@example.org>", "<joe@x>"]
    assert mta.mails[0].sender.startswith("<a@example.com>")


async def test_a_release_without_addresses_goes_to_the_envelopes(
    run: Run, deliver: Deliver, mta: Mta
) -> None:
    """Without addresses a message goes to the recipients of its envelope."""
    row = await deliver(to=["b@example.org", "c@example.org"])
    async with run() as relay:
        await relay.release(row, None)
        mails = await mta.wait_for(1)

    assert mails[0].recipients == ["<b@example.org>", "<c@example.org>"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "x",
        "a b@x",
        "a@b\r\nRCPT TO:<c@d>",
        "a@b>",
        "Jane <a@b>",
        "a@b\0",
        "a" * 300 + "@b",
        "@b",
    ],
)
async def test_a_release_takes_mailboxes_only(
    run: Run, deliver: Deliver, mta: Mta, address: str
) -> None:
    """What is no mailbox by SMTP's grammar is refused, and nothing is queued."""
    row = await deliver()
    async with run() as relay:
        with pytest.raises(ValueError, match="Invalid email address") as caught:
            await relay.release(row, ["jane@example.org", address])

        assert await relay.jobs(row.id) == []
    assert str(caught.value).isprintable()
    assert mta.commands == []


async def test_a_release_keeps_to_the_allowed(run: Run, deliver: Deliver) -> None:
    """With an allow-list, addresses that don't match are refused in Mailpit's words."""
    row = await deliver(to=["b@elsewhere.example"])
    async with run(allowed=("*@example.org",)) as relay:
        with pytest.raises(ValueError, match="1 Address do not match the allowlist: x@y"):
            await relay.release(row, ["jane@EXAMPLE.org", "x@y"])
        with pytest.raises(ValueError, match="do not match the allowlist: b@elsewhere"):
            await relay.release(row, None)

        assert await relay.jobs(row.id) == []


async def test_a_message_that_is_gone_fails(
    run: Run, deliver: Deliver, store: MemoryStore, log: Log
) -> None:
    """A message that was deleted before its attempt fails, and is not tried again."""
    row = await deliver()
    await store.delete(None)
    async with run() as relay:
        await relay.release(row, ["jane@example.org"])
        failed = await log.wait_for(events.RELAY_FAILED)

    assert failed["hop"] == "message"
    assert "no longer in the inbox" in failed["reason"]


# Retries


async def test_4xx_is_tried_again(run: Run, deliver: Deliver, mta: Mta, log: Log) -> None:
    """A refusal for now is followed by another attempt, for those only who wait."""
    mta.say("RCPT TO:<later@", "450 4.2.0 greylisted", times=2)
    row = await deliver(to=["later@x", "b@x"])
    async with run() as relay:
        await relay.release(row, None)
        await log.wait_for(events.RELAY_SENT, count=2)
        job = await the_job(relay, row)

    assert (job.state, job.attempts) == ("sent", 3)
    assert [mail.recipients for mail in mta.mails] == [["<b@x>"], ["<later@x>"]]
    delayed = log.of(events.RELAY_DELAYED)
    assert [event["attempt"] for event in delayed] == [2, 3]
    assert delayed[0]["reason"] == "later@x: 450 4.2.0 greylisted"


async def test_5xx_fails_at_once(run: Run, deliver: Deliver, mta: Mta, log: Log) -> None:
    """A refusal for good is not tried again, and the server's words are kept."""
    mta.say("RCPT", "550 5.1.1 nobody")
    row = await deliver()
    async with run() as relay:
        await relay.release(row, None)
        failed = await log.wait_for(events.RELAY_FAILED)
        job = await the_job(relay, row)

    assert (job.state, job.attempts, job.due) == ("failed", 1, None)
    assert (job.recipients[0].code, job.recipients[0].reply) == (550, "5.1.1 nobody")
    assert failed["reason"] == "b@example.org: 550 5.1.1 nobody"
    assert log.of(events.RELAY_DELAYED) == []


async def test_some_recipients_may_fail(run: Run, deliver: Deliver, mta: Mta, log: Log) -> None:
    """When one is refused for good the others are served, and the job tells both."""
    mta.say("RCPT TO:<no@", "550 no")
    row = await deliver(to=["no@x", "yes@x"])
    async with run() as relay:
        await relay.release(row, None)
        await log.wait_for(events.RELAY_FAILED)
        job = await the_job(relay, row)

    assert job.state == "failed"
    assert [(one.state, one.code) for one in job.recipients] == [("failed", 550), ("sent", 250)]
    assert log.of(events.RELAY_SENT)[0]["recipients"] == 1


async def test_the_last_attempt_is_the_last(run: Run, deliver: Deliver, mta: Mta, log: Log) -> None:
    """After relay.attempts the message is given up, with the last words."""
    mta.say("MAIL", "451 never")
    row = await deliver()
    async with run(attempts=3) as relay:
        await relay.release(row, None)
        await log.wait_for(events.RELAY_FAILED)
        job = await the_job(relay, row)

    assert (job.state, job.attempts, job.recipients[0].code) == ("failed", 3, 451)
    assert len(log.of(events.RELAY_DELAYED)) == 2


async def test_a_proxy_that_comes_back(
    run: Run, deliver: Deliver, mta: Mta, log: Log, proxy: Any
) -> None:
    """While the proxy is down the message waits; when it is back the message is delivered, once."""
    with socket.socket() as place:  # bound and not listening: nobody else gets the port
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", 0))
        address = place.getsockname()
        row = await deliver()
        async with run(via=f"socks5://{Endpoint(*address)}", attempts=100) as relay:
            await relay.release(row, None)
            delayed = await log.wait_for(events.RELAY_DELAYED, count=2)
            place.listen()
            place.setblocking(False)
            server = await asyncio.start_server(proxy.serve, sock=place)
            async with server:
                await log.wait_for(events.RELAY_SENT)
                job = await the_job(relay, row)

    assert (delayed["hop"], job.state) == ("proxy", "sent")
    assert "Connection refused" in delayed["reason"]
    assert len(mta.mails) == 1


# What is relayed by itself


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


# Restarts


async def test_a_queued_message_survives_a_restart(
    run: Run, deliver: Deliver, mta: Mta, log: Log, tmp_path: Path
) -> None:
    """A message that waits for an hour when the process ends is sent at once by the next one."""
    mta.say("CONNECT", "421 not yet", times=1)
    store = await open_store(tmp_path)
    row = await deliver(into=store)
    async with run(over=store, data=tmp_path, first_pause=1e6) as relay:
        await relay.release(row, ["jane@example.org"])
        delayed = await log.wait_for(events.RELAY_DELAYED)
    await store.close()

    store = await open_store(tmp_path)
    async with run(over=store, data=tmp_path) as relay:
        await log.wait_for(events.RELAY_SENT)
        (job,) = await relay.jobs(row.id)
    await store.close()

    assert delayed["delay"] > 1000
    assert (job.state, job.attempts) == ("sent", 2)
    assert [event["waiting"] for event in log.of(events.RELAY_ON)] == [0, 1]


async def test_an_attempt_that_was_cut_is_made_again(
    run: Run, deliver: Deliver, mta: Mta, tmp_path: Path
) -> None:
    """What is being sent when the time at the end is over is sent anew by the next process."""
    mta.say("DATA", "silence", times=1)
    row = await deliver()
    async with run(data=tmp_path, grace=0) as relay:
        await relay.release(row, ["jane@example.org"])
        await mta.wait_for_command("DATA")
    async with run(data=tmp_path):
        mails = await mta.wait_for(1)

    assert mails[0].recipients == ["<jane@example.org>"]


async def test_an_attempt_under_way_may_end(
    run: Run, deliver: Deliver, mta: Mta, tmp_path: Path
) -> None:
    """What is being sent at the end is given time, so it isn't sent twice."""
    mta.say("END", "hold")
    row = await deliver()
    stack = contextlib.AsyncExitStack()
    relay = await stack.enter_async_context(run(data=tmp_path))
    await relay.release(row, ["jane@example.org"])
    await mta.wait_for_command("END")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stack.aclose())
        mta.gate.set()
    async with run(data=tmp_path) as relay:
        job = await the_job(relay, row)

    assert (job.state, job.attempts) == ("sent", 1)


async def test_mail_that_comes_between_is_relayed_once(
    run: Run, deliver: Deliver, mta: Mta, tmp_path: Path
) -> None:
    """What was accepted while the relay was away is relayed after a restart, nothing twice."""
    store = await open_store(tmp_path)
    async with run(over=store, data=tmp_path, recipients=EVERYBODY):
        await deliver(b"Subject: 1\r\n\r\n", into=store)
        await mta.wait_for(1)
    first, second = [await deliver(f"Subject: {n}\r\n\r\n".encode(), into=store) for n in (2, 3)]
    await store.mark([first.id], read=True)  # changes that the store doesn't remember
    await store.delete([second.id])
    await store.close()

    store = await open_store(tmp_path)
    async with run(over=store, data=tmp_path, recipients=EVERYBODY):
        await deliver(b"Subject: 4\r\n\r\n", into=store)
        mails = await mta.wait_for(3)
    await store.close()

    # Several are sent at the same time, so they may arrive in any order.
    assert sorted(mail.raw for mail in mails) == [
        f"Subject: {n}\r\n\r\n".encode() for n in (1, 2, 4)
    ]


@pytest.mark.parametrize("server", ["", "127.0.0.1:9"])
async def test_mail_that_comes_while_it_is_off_is_left_alone(
    run: Run, deliver: Deliver, mta: Mta, tmp_path: Path, log: Log, server: str
) -> None:
    """
    What is accepted while nothing is relayed by itself isn't sent when that is on again.

    Off is no server, or a server without patterns.
    """
    store = await open_store(tmp_path)
    async with run(over=store, data=tmp_path, recipients=EVERYBODY):
        await deliver(b"Subject: 1\r\n\r\n", into=store)
        await mta.wait_for(1)
    settings = Relay(server=server)
    async with relaying(
        Route.load(settings, folder=tmp_path),
        settings,
        store,
        data=tmp_path,
        hostname="x",
        listeners=list,
    ):
        await deliver(b"Subject: 2\r\n\r\n", into=store)
    async with run(over=store, data=tmp_path, recipients=EVERYBODY):
        await deliver(b"Subject: 3\r\n\r\n", into=store)
        mails = await mta.wait_for(2)
    await store.close()

    assert [mail.raw for mail in mails] == [b"Subject: 1\r\n\r\n", b"Subject: 3\r\n\r\n"]


async def test_a_new_inbox_beside_an_old_queue(
    run: Run, deliver: Deliver, mta: Mta, tmp_path: Path
) -> None:
    """When the inbox was made anew, its first messages are relayed too."""
    old = MemoryStore()
    async with run(over=old, data=tmp_path, recipients=EVERYBODY):
        for number in range(3):
            await deliver(f"Subject: {number}\r\n\r\n".encode(), into=old)
        await mta.wait_for(3)
    await old.close()
    async with run(data=tmp_path, recipients=EVERYBODY):
        await deliver(b"Subject: new\r\n\r\n")
        mails = await mta.wait_for(4)

    assert mails[3].raw == b"Subject: new\r\n\r\n"


# Loops


@pytest.mark.parametrize("recipients", [(), EVERYBODY])
async def test_our_own_listener_is_refused(
    run: Run, deliver: Deliver, mta: Mta, log: Log, recipients: tuple[str, ...]
) -> None:
    """A server that is one of our listeners is never connected to, by itself or by a release."""
    async with run(listeners=[Endpoint(*mta.address)], recipients=recipients) as relay:
        row = await deliver()
        if not recipients:
            await relay.release(row, None)
        failed = await log.wait_for(events.RELAY_FAILED)

    assert f"{Endpoint(*mta.address)} is our own listener" in failed["reason"]
    assert "relay.server" in failed["hint"]
    assert mta.commands == []


async def test_a_message_that_came_back_stops(
    run: Run, mta: Mta, log: Log, proxy: Any, tmp_path: Path
) -> None:
    """
    A message that a proxy leads back to ourselves comes in once more, and goes round no further.

    The name behind the proxy is one that only the proxy knows, so it can't be refused beforehand.
    """
    settings = Settings(listener=(Listener(endpoint="127.0.0.1:0"),), web="off", data=":memory:")
    async with Bindpost(settings, folder=tmp_path) as app:
        proxy.names["mail.lab.invalid"] = "127.0.0.1"
        async with run(
            over=app.store,
            server=f"mail.lab.invalid:{app.smtp[0].port}",
            via=f"socks5://{Endpoint(*proxy.address)}",
            recipients=EVERYBODY,
            listeners=app.smtp,
        ) as relay:
            await asyncio.to_thread(_send_one, app.smtp[0])
            await log.wait_for(events.RELAY_SENT)
            await log.wait_for(events.RELAY_LOOP)
            rows = await app.store.find()
            jobs = [(await the_job(relay, row)).state for row in rows]

    assert len(rows) == 2
    assert jobs == ["failed", "sent"]
    assert [row.session.helo for row in rows] == [relay_name("test.example"), "client.example"]


def _send_one(address: Endpoint) -> None:
    with smtplib.SMTP(address.host, address.port, local_hostname="client.example") as smtp:
        smtp.sendmail("a@example.com", ["b@example.org"], "Subject: round\r\n\r\n")


async def test_a_message_that_came_back_over_others_stops(
    run: Run, deliver: Deliver, mta: Mta, log: Log
) -> None:
    """Servers between leave the relay's name in their Received fields; it is known again there."""
    raw = (
        b"Received: from mx.example by here\r\nReceived: from bindpost-relay.test.example\r\n"
        b"\t(unknown [192.0.2.1]) by mx.example with ESMTP\r\nSubject: x\r\n\r\n"
    )
    async with run(recipients=EVERYBODY) as relay:
        row = await deliver(raw)
        await log.wait_for(events.RELAY_LOOP)
        assert (await the_job(relay, row)).state == "failed"
        await relay.release(row, None)  # a person may send it on
        mails = await mta.wait_for(1)

    assert mails[0].raw == raw


# Failures of what is beneath


class FailingStore(MemoryStore):  # type: ignore[misc]  # final for users; this is a fake of it
    """A store that can't be read when it is told so."""

    failures = 0

    async def raw(self, message_id: str, *, mailbox: str | None = None) -> bytes | None:
        """Give the bytes, or fail."""
        if self.failures:
            self.failures -= 1
            raise StoreError("the disk is gone")
        return await super().raw(message_id, mailbox=mailbox)


async def test_a_store_that_fails_is_tried_again(
    run: Run, deliver: Deliver, mta: Mta, log: Log
) -> None:
    """A message that can't be read now is sent later."""
    store = FailingStore()
    store.failures = 1
    row = await deliver(into=store)
    async with run(over=store) as relay:
        await relay.release(row, None)
        await mta.wait_for(1)
    await store.close()

    assert log.of(events.RELAY_ERROR)[0]["error"] == "the disk is gone"
    assert "could not be read" in log.of(events.RELAY_DELAYED)[0]["reason"]


async def test_it_says_that_it_is_on(run: Run, log: Log, mta: Mta) -> None:
    """At the start the server and the way there are told, without a password."""
    async with run(via="socks5://me:s3cret@127.0.0.1:1080", recipients=EVERYBODY):
        pass

    (on,) = log.of(events.RELAY_ON)
    assert on["server"] == str(Endpoint(*mta.address))
    assert on["via"] == "socks5://me:***@127.0.0.1:1080"
    assert (on["waiting"], on["patterns"]) == (0, ["*"])


async def test_no_event_shows_a_password(run: Run, deliver: Deliver, log: Log) -> None:
    """A proxy that can't be reached is named in the events, its password is not."""
    row = await deliver()
    async with run(via="http://me:s3cret@127.0.0.1:1", attempts=2) as relay:
        await relay.release(row, None)
        await log.wait_for(events.RELAY_FAILED)
        job = await the_job(relay, row)

    assert "http://me:***@127.0.0.1:1" in job.error
    assert "s3cret" not in repr(log.seen) + repr(job)
