"""Real mail servers as judges of presets: they queue, try again, deliver once, or bounce."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bindpost.testing.chosen import chosen_settings
from bindpost.testing.inprocess import in_process
from bindpost.testing.mailserver import MailServer

from .mtas import HOSTNAME, MTAS, PATIENCE, Send, postfix_to

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="mail servers are started by root only"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    """Give the server that mail is relayed to."""
    with in_process(chosen_settings(), folder=tmp_path) as server:
        yield server


@pytest.fixture(params=MTAS)
def send(
    request: pytest.FixtureRequest, server: MailServer, program: Callable[[str], Path]
) -> Iterator[Send]:
    """Start each mail server, as the test's own; gives what hands it a message."""
    with MTAS[request.param](program, server.host, server.port) as send:
        yield send


def test_greylisted_mail_arrives_once(server: MailServer, send: Send) -> None:
    """The mail server is turned away, and gets the message through when the time has gone."""
    with server.faults.add("RCPT", "greylist", seconds=3.0, code=450) as greylist:
        send("greylisted", "jane@grey.test")
        message = server.wait_for(subject="greylisted", timeout=PATIENCE)

        assert greylist.fired >= 1
    assert message.recipients == ("jane@grey.test",)
    assert len(server.messages) == 1


def test_all_mail_gets_through_a_flaky_relay_once(server: MailServer, send: Send) -> None:
    """Whatever is refused for now is tried again, and nothing arrives twice."""
    subjects = {f"flaky {number}" for number in range(12)}
    with server.faults.preset("flaky-relay") as flaky:
        for subject in sorted(subjects):
            send(subject, "jane@flaky.test")
        for subject in sorted(subjects):
            server.wait_for(subject=subject, timeout=PATIENCE)

        assert flaky.fired >= 1
    arrived = [message.subject for message in server.messages]
    assert sorted(arrived) == sorted(subjects)


def test_mail_to_a_full_mailbox_bounces(server: MailServer, send: Send) -> None:
    """The sender is told, in our words, and nothing is tried again."""
    with server.faults.preset("full-mailbox", recipient="*@full.test") as full:
        send("too much", "jane@full.test")
        bounce = server.wait_for(to="sender@origin.test", sender="", timeout=PATIENCE)

        assert full.fired == 1
    assert re.search(rb"^Status: 5\.", bounce.raw, re.MULTILINE)
    assert b"5.2.2 Mailbox full, quota exceeded" in b" ".join(bounce.raw.split())
    assert len(server.messages) == 1


def test_mail_gets_through_a_tarpit_once(server: MailServer, send: Send) -> None:
    """The mail server waits as long as RFC 5321 wants it to."""
    with server.faults.preset("tarpit") as tarpit:
        send("slow", "jane@slow.test")
        message = server.wait_for(subject="slow", timeout=PATIENCE)

    assert [one.stage for one in tarpit.log] == ["banner", "RCPT", "end-of-data"]
    assert len(message.session.faults) == 3
    assert len(server.messages) == 1


def test_mail_gets_through_without_ehlo_behind_a_pix(server: MailServer, send: Send) -> None:
    """It says HELO when EHLO is refused, and the asterisks of the banner don't stop it."""
    with server.faults.preset("pix-fixup"):
        send("behind a PIX", "jane@pix.test")
        message = server.wait_for(subject="behind a PIX", timeout=PATIENCE)

    assert not message.session.esmtp
    assert message.session.helo == HOSTNAME


def test_a_250_that_does_not_come_makes_a_second_copy(
    server: MailServer, program: Callable[[str], Path]
) -> None:
    """The message is kept, but Postfix does not hear of it, and sends it again."""
    # It pipelines QUIT, whose 221 it would take for the missing 250; others wait ten minutes.
    server.faults.add("QUIT", "drop", count=1)
    swallowing = server.faults.add("end-of-data", "swallow", count=1)
    with swallowing, postfix_to(program, server.host, server.port) as send:
        send("twice", "jane@twice.test")
        first = server.wait_for(subject="twice", timeout=PATIENCE)
        second = server.wait_for(subject="twice", after=first, timeout=PATIENCE)

    assert len(first.session.faults) == 1
    assert second.session.faults == ()
    assert len(server.messages) == 2


def test_success_is_told_by_us(server: MailServer, program: Callable[[str], Path]) -> None:
    """Postfix passes on what its sender wants to know (RFC 3461), and leaves the telling to us."""
    with postfix_to(program, server.host, server.port) as send:
        send("confirmed", "jane@dsn.test", options=("-N", "success", "-V", "id+1", "-R", "full"))
        message = server.wait_for(subject="confirmed", timeout=PATIENCE)
        told = server.wait_for(to="sender@origin.test", sender="", timeout=PATIENCE)

    assert message.envelope.parameters["ENVID"] == "id+2B1"
    assert told.session.via == "dsn"
    assert b"Original-Envelope-Id: id+1\r\n" in told.raw
    assert b"Original-Recipient: rfc822;jane@dsn.test\r\n" in told.raw
    assert b"Action: delivered\r\n" in told.raw
    assert b"Hello." not in told.raw
    assert len(server.messages) == 2
