"""A real Postfix delivers by LMTP, and tells by XFORWARD whose mail it is."""

from __future__ import annotations

import os
import smtplib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from bindpost.proxy.local import free_port
from bindpost.testing.chosen import chosen_settings
from bindpost.testing.inprocess import in_process
from bindpost.testing.mailserver import MailServer

from .mtas.mta import HOSTNAME, SENDER, Find, open_folder
from .mtas.postfix import postfix, postfix_to

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Postfix is started by root only")

OURS_ONLY = {"RelayFlags": 2, "LocalDomains": ["here.test", "origin.test"]}
"""Rules that refuse recipients of other domains."""


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


def test_each_recipient_has_its_own_fate(lmtp: tuple[MailServer, str], program: Find) -> None:
    """One is served, one deferred and served later; a fault and policy let one bounce each."""
    server, way = lmtp
    server.faults.add(
        "end-of-data", "reply", code=552, enhanced="5.2.2", recipient="full@here.test"
    )
    server.faults.add(
        "end-of-data", "reply", code=451, enhanced="4.2.1", recipient="busy@here.test", count=1
    )
    with postfix(program, f"default_transport = lmtp:{way}") as mta:
        mta.send("four", "ann@here.test", "full@here.test", "busy@here.test", "bob@elsewhere.test")
        assert mta.wait_for(SENDER, "delivered") == 1
        assert mta.outcomes("ann@here.test") == ["delivered"]
        assert mta.outcomes("full@here.test") == ["bounced"]
        assert mta.outcomes("bob@elsewhere.test") == ["bounced"]
        mta.retry()
        assert mta.wait_for("busy@here.test", "deferred", "delivered") == 0

    first, second = (server.wait_for(to=f"{name}@here.test") for name in ("ann", "busy"))
    bounce = server.wait_for(to=SENDER, sender="")
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
def test_postfix_tells_whose_mail_it_is(protocol: str, program: Find, tmp_path: Path) -> None:
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
        with postfix(program, *settings, port=port) as mta:
            with smtplib.SMTP(
                "127.0.0.1", port, local_hostname="client.test", source_address=("127.0.0.2", 0)
            ) as client:
                client.sendmail(SENDER, ["ann@here.test"], "Subject: from outside\n\nHello.\n")
            mta.wait_for("ann@here.test", "delivered")
            mta.send("from inside", "ann@here.test")
            mta.wait_for("ann@here.test", "delivered", "delivered")
        outside, inside = server.messages

    told = outside.session.xforward
    assert (told["ADDR"], told["HELO"], told["PROTO"]) == ("127.0.0.2", "client.test", "ESMTP")
    assert f"id {told['IDENT']}\r\n".encode() in outside.raw
    assert told["SOURCE"] == "REMOTE"
    assert (outside.session.helo, outside.session.lmtp) == (HOSTNAME, protocol == "lmtp")
    assert (outside.session.peer or "").startswith("127.0.0.1:")
    assert inside.session.xforward["SOURCE"] == "LOCAL"
    assert "IDENT" not in inside.session.xforward


def test_postfix_tells_nothing_where_it_is_not_trusted(program: Find, tmp_path: Path) -> None:
    """XFORWARD isn't offered, so the mail comes without."""
    with listening(tmp_path, "127.0.0.1:0") as server:
        settings = ["smtp_send_xforward_command = yes"]
        with postfix_to(program, server.host, server.port, settings=settings) as mta:
            mta.send("one", "ann@here.test")
            mta.wait_for("ann@here.test", "delivered")
        (message,) = server.messages

    assert message.session.xforward == {}
