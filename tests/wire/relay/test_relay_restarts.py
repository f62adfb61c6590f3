"""The relay's queue over an end and a new start: nothing is lost, nothing is sent twice."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from bindpost import events
from bindpost.config.model import Relay
from bindpost.server.relay import Route, relaying
from bindpost.server.store import open_store
from bindpost.server.store.memory import MemoryStore

from .conftest import Deliver, Log, Run, the_job
from .mta import Mta

EVERYBODY = ("*",)


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
