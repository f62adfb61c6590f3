"""Nothing goes round: what came back from where it was sent to is known again."""

from __future__ import annotations

import asyncio
import smtplib
from pathlib import Path
from typing import Any

import pytest

from bindpost import events
from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Listener, Settings
from bindpost.server.app import Bindpost
from bindpost.server.relay.loops import relay_name

from .conftest import Deliver, Log, Run, the_job
from .mta import Mta

EVERYBODY = ("*",)


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
