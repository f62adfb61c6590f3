"""Releases: a person says where a message goes; what fails is tried again, or is the end."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from bindpost import events
from bindpost.config.endpoint import Endpoint
from bindpost.errors import StoreError
from bindpost.server.store.memory import MemoryStore

from .conftest import Deliver, Log, Run, the_job
from .mta import Mta

EVERYBODY = ("*",)


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


async def test_no_event_shows_a_password(run: Run, deliver: Deliver, log: Log) -> None:
    """A proxy that can't be reached is named in the events, its password is not."""
    row = await deliver()
    async with run(via="http://me:s3cret@127.0.0.1:1", attempts=2) as relay:
        await relay.release(row, None)
        await log.wait_for(events.RELAY_FAILED)
        job = await the_job(relay, row)

    assert "http://me:***@127.0.0.1:1" in job.error
    assert "s3cret" not in repr(log.seen) + repr(job)
