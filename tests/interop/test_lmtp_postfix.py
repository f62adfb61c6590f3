"""A real Postfix delivers by LMTP, and tells by XFORWARD whose mail it is."""

from __future__ import annotations

import os
import smtplib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from bindpost.proxy.local import free_port
from bindpost.testing.chosen import chosen_settings
from bindpost.testing.inprocess import in_process
from bindpost.testing.mailserver import MailServer

from .mtas import HOSTNAME, PATIENCE, SENDER, open_folder, postfix

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="Postfix is started by root only"),
]

OURS_ONLY = {"RelayFlags": 2, "LocalDomains": ["here.test", "origin.test"]}
"""Rules that refuse recipients of other domains."""
Program = Callable[[str], Path]


def listening(folder: Path, endpoint: str, **more: object) -> AbstractContextManager[MailServer]:
    """Run a server with one listener."""
    settings = {"listener": [{"endpoint": endpoint, **more}], "ims": OURS_ONLY}
    return in_process(chosen_settings(settings=settings), folder=folder)


@pytest.fixture(params=["tcp", "unix"])
def lmtp(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[MailServer, str]]:
    """Give a server that speaks LMTP, and Postfix's name of the way there."""
    with open_folder() as folder:
        path = folder / "lmtp.sock"
        is_unix = request.param == "unix"
        endpoint = f"unix:{path}" if is_unix else "127.0.0.1:0"
        with listening(tmp_path, endpoint, protocol="lmtp") as server:
            if is_unix:
                path.chmod(0o666)  # Postfix's lmtp is not root
            yield server, f"unix:{path}" if is_unix else f"inet:{server.host}:{server.port}"


def test_each_recipient_has_its_own_fate(lmtp: tuple[MailServer, str], program: Program) -> None:
    """One is served, one deferred and served later; a fault and policy let one bounce each."""
    server, way = lmtp
    server.faults.add(
        "end-of-data", "reply", code=552, enhanced="5.2.2", recipient="full@here.test"
    )
    server.faults.add(
        "end-of-data", "reply", code=451, enhanced="4.2.1", recipient="busy@here.test", count=1
    )
    with postfix(program, f"default_transport = lmtp:{way}") as send:
        send("four", "ann@here.test", "full@here.test", "busy@here.test", "bob@elsewhere.test")
        first = server.wait_for(subject="four", to="ann@here.test", timeout=PATIENCE)
        second = server.wait_for(subject="four", to="busy@here.test", timeout=PATIENCE)
        bounce = server.wait_for(to=SENDER, sender="", timeout=PATIENCE)

    assert first.recipients == ("ann@here.test",)
    assert second.recipients == ("busy@here.test",)
    failed = [line for line in bounce.raw.splitlines() if line.startswith(b"Final-Recipient:")]
    assert sorted(line.rpartition(b" ")[2] for line in failed) == [
        b"bob@elsewhere.test",
        b"full@here.test",
    ]
    assert b"Status: 5.2.2" in bounce.raw
    assert b"Status: 5.7.1" in bounce.raw
    assert len(server.messages) == 3
    assert {one.session.lmtp for one in server.messages} == {True}


@pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
def test_postfix_tells_whose_mail_it_is(protocol: str, program: Program, tmp_path: Path) -> None:
    """Its client's address, name and protocol, and its own queue id; the real peer stays."""
    port = free_port()
    trusting = listening(
        tmp_path, "127.0.0.1:0", protocol=protocol, xclient_trusted=["127.0.0.0/8"]
    )
    with trusting as server:
        settings = (
            f"default_transport = {protocol}:[{server.host}]:{server.port}",
            f"{protocol}_send_xforward_command = yes",
            "mynetworks = 127.0.0.0/8",
        )
        with postfix(program, *settings, port=port) as send:
            with smtplib.SMTP(
                "127.0.0.1", port, local_hostname="client.test", source_address=("127.0.0.2", 0)
            ) as client:
                client.sendmail(SENDER, ["ann@here.test"], "Subject: from outside\n\nHello.\n")
            outside = server.wait_for(subject="from outside", timeout=PATIENCE)
            send("from inside", "ann@here.test")
            inside = server.wait_for(subject="from inside", timeout=PATIENCE)

    told = outside.session.xforward
    assert (told["ADDR"], told["HELO"], told["PROTO"]) == ("127.0.0.2", "client.test", "ESMTP")
    assert f"id {told['IDENT']}\r\n".encode() in outside.raw
    assert told["SOURCE"] == "REMOTE"
    assert (outside.session.helo, outside.session.lmtp) == (HOSTNAME, protocol == "lmtp")
    assert (outside.session.peer or "").startswith("127.0.0.1:")
    assert inside.session.xforward["SOURCE"] == "LOCAL"
    assert "IDENT" not in inside.session.xforward


def test_postfix_tells_nothing_where_it_is_not_trusted(program: Program, tmp_path: Path) -> None:
    """XFORWARD isn't offered, so the mail comes without."""
    with listening(tmp_path, "127.0.0.1:0") as server:
        relay = f"relayhost = [{server.host}]:{server.port}"
        with postfix(program, relay, "smtp_send_xforward_command = yes") as send:
            send("one", "ann@here.test")
            message = server.wait_for(subject="one", timeout=PATIENCE)

    assert message.session.xforward == {}
