"""Real mail servers as judges of every preset: they queue, try again, deliver once, or bounce."""

from __future__ import annotations

import email
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import pytest

from bindpost.client import Client
from bindpost.config.fault import Action, Stage
from bindpost.objects import FullMessage
from bindpost.proxy.local import free_port
from bindpost.server.faults.presets import load_presets
from bindpost.testing.chosen import chosen_settings
from bindpost.testing.inprocess import in_process
from bindpost.testing.mailserver import MailServer

from .mtas.exim import exim
from .mtas.mta import BODY, HOSTNAME, PATIENCE, SENDER, Find, Mta
from .mtas.opensmtpd import opensmtpd
from .mtas.postfix import Postfix, postfix_to

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="mail servers are started by root only"),
]

TO: Final = "jane@judged.test"
RunMta = Callable[..., AbstractContextManager[Mta]]
"""Runs a mail server that relays to a host and port, by TLS if `tls` is said."""
JUDGES: Final[Mapping[str, RunMta]] = {
    "postfix": postfix_to,
    "exim": exim,
    "opensmtpd": opensmtpd,
}


@pytest.fixture(params=JUDGES)
def run_mta(request: pytest.FixtureRequest, program: Find) -> RunMta:
    """Give what runs each of the mail servers."""
    return partial(JUDGES[request.param], program)


@pytest.fixture(params=["fast", pytest.param("stock", marks=pytest.mark.long)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MailServer]:
    """Give the server that mail is relayed to, on each engine; it offers STARTTLS."""
    settings = chosen_settings(tls="starttls", settings={"engine": request.param})
    with in_process(settings, folder=tmp_path) as server:
        yield server


@pytest.fixture
def mta(server: MailServer, run_mta: RunMta) -> Iterator[Mta]:
    """Give each mail server; it does without TLS."""
    with run_mta(server.host, server.port) as mta:
        yield mta


def the_only_copy(server: MailServer) -> FullMessage:
    """Give the only message, which must have come whole."""
    (message,) = server.messages
    assert message.recipients == (TO,)
    assert body_of(message) == BODY
    return message


def body_of(message: FullMessage) -> bytes:
    """Give what stands behind the header."""
    return message.raw.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")


def check_bounce(server: MailServer, mta: Mta, status: str, words: str) -> None:
    """See that the sender was told, in our words, by a DSN of RFC 3464; and that this was all."""
    mta.wait_for(SENDER, "delivered")
    (bounce,) = server.messages
    report = email.message_from_bytes(bounce.raw)
    assert "message/delivery-status" in [part.get_content_type() for part in report.walk()]
    (told,) = [part for part in report.walk() if "Final-Recipient" in part]

    assert (bounce.sender, bounce.recipients) == ("", (SENDER,))
    assert told["Final-Recipient"].partition(";")[2].strip() == TO
    assert told["Action"] == "failed"
    assert told["Status"] == (status if isinstance(mta, Postfix) else "5.0.0"), (
        "others know no more"
    )
    assert f"{status} {words}" in " ".join(bounce.raw.decode().split())
    assert mta.outcomes(TO) == ["bounced"]
    assert mta.queue() == []


def test_greylisted_mail_arrives_once(server: MailServer, mta: Mta) -> None:
    """It is queued, turned away as long as it is grey, and gets through when the time has gone."""
    greylist = server.faults.preset("greylisting", seconds=1.0)
    mta.send("greylisted", TO)
    assert mta.wait_for(TO, "deferred") == 1

    *refused, last = mta.retry_until_delivered(TO)

    assert refused == ["deferred"] * greylist.fired
    assert last == "delivered"
    the_only_copy(server)


def test_all_mail_gets_through_a_flaky_relay_once(server: MailServer, mta: Mta) -> None:
    """Whatever is refused for now is tried again, and nothing arrives twice."""
    subjects = {f"flaky-{number}" for number in range(10)}
    with server.faults.preset("flaky-relay") as flaky:
        for subject in sorted(subjects):
            mta.send(subject, f"{subject}@judged.test")
        for subject in sorted(subjects):
            mta.retry_until_delivered(f"{subject}@judged.test")

    assert {one.stage for one in flaky.log} >= {"MAIL", "end-of-data"}, "accept if it connects anew"
    assert mta.outcomes().count("delivered") == len(subjects)
    assert mta.outcomes().count("deferred") >= flaky.fired
    assert mta.queue() == []
    assert sorted(message.subject for message in server.messages) == sorted(subjects)


def test_mail_to_a_full_mailbox_bounces(server: MailServer, mta: Mta) -> None:
    """The sender is told, and nothing is tried again."""
    with server.faults.preset("full-mailbox", recipient=TO) as full:
        mta.send("too much", TO)
        check_bounce(server, mta, "5.2.2", "Mailbox full, quota exceeded")

    assert full.fired == 1


def test_mail_without_tls_bounces_where_it_is_a_must(server: MailServer, mta: Mta) -> None:
    """530 is for ever (RFC 3207, 4), so who can't do TLS tells the sender."""
    with server.faults.preset("strict-tls", sender=SENDER) as strict:
        mta.send("in clear", TO)
        check_bounce(server, mta, "5.7.0", "Must issue a STARTTLS command first")

    assert strict.fired == 1


def test_mail_by_tls_arrives_where_it_is_a_must(server: MailServer, run_mta: RunMta) -> None:
    """Who takes up STARTTLS meets with no fault."""
    with (
        server.faults.preset("strict-tls") as strict,
        run_mta(server.host, server.port, tls=True) as mta,
    ):
        mta.send("by TLS", TO)
        mta.wait_for(TO, "delivered")

    assert strict.fired == 0
    assert the_only_copy(server).session.tls_version == "TLSv1.3"


@pytest.mark.long
def test_mail_gets_through_a_tarpit_once(server: MailServer, mta: Mta) -> None:
    """The mail server waits as long as RFC 5321 wants it to."""
    with server.faults.preset("tarpit") as tarpit:
        mta.send("slow", TO)
        mta.wait_for(TO, "delivered")

    assert [one.stage for one in tarpit.log] == ["banner", "RCPT", "end-of-data"]
    assert len(the_only_copy(server).session.faults) == 3


def test_mail_gets_through_without_ehlo_behind_a_pix(server: MailServer, mta: Mta) -> None:
    """The asterisks of the banner don't stop it, and it says HELO."""
    with server.faults.preset("pix-fixup") as pix:
        mta.send("behind a PIX", TO)
        mta.wait_for(TO, "delivered")

    message = the_only_copy(server)
    assert not message.session.esmtp
    assert message.session.helo == HOSTNAME
    is_known = "enabling PIX workarounds: disable_esmtp" in mta.log
    assert is_known is isinstance(mta, Postfix), "it knows a PIX by its banner"
    assert [one.stage for one in pix.log] == ["banner"] if is_known else ["banner", "EHLO"]


def test_mail_waits_for_a_listener_that_is_not_bound(run_mta: RunMta, tmp_path: Path) -> None:
    """After 4007 with 10050 nobody listens; what was queued arrives when that is cured."""
    port = free_port()
    settings = chosen_settings(
        on_bind_failure="continue",
        settings={
            "listener": [{"endpoint": f"127.0.0.1:{port}"}],
            "fault": msgspec.to_builtins(load_presets()["q203116"].faults),
            "web": "127.0.0.1:0",
        },
    )
    with in_process(settings, folder=tmp_path) as server, run_mta("127.0.0.1", port) as mta:
        assert server.events.wait_for(id=4007).strings == ("10050",)
        mta.send("at last", TO)
        assert mta.wait_for(TO, "deferred") == 1
        mta.retry()
        assert mta.wait_for(TO, "deferred", "deferred") == 1
        assert mta.log.count("Connection refused") >= 2

        client = Client(server.web or "")
        client.faults.clear()
        client.rebind(0)
        mta.retry()
        assert mta.wait_for(TO, "deferred", "deferred", "delivered") == 0
        the_only_copy(server)


@pytest.mark.long
@pytest.mark.parametrize(
    ("stage", "action"),
    [("in-data", "reset"), ("end-of-data", "reset"), ("end-of-data", "half-close")],
)
def test_mail_survives_a_connection_that_breaks(
    server: MailServer, mta: Mta, stage: Stage, action: Action
) -> None:
    """A message without a reply is queued and sent again; nothing was kept, so it is there once."""
    with server.faults.add(stage, action, count=1):
        mta.send("broken off", TO)
        assert mta.wait_for(TO, "deferred") == 1
        assert server.messages == []
        mta.retry()
        mta.wait_for(TO, "deferred", "delivered")

    the_only_copy(server)


@pytest.mark.long
def test_a_250_that_does_not_come_makes_a_second_copy(server: MailServer, mta: Mta) -> None:
    """The message is kept, but its sender does not hear of it, and sends it again (RFC 1047)."""
    server.faults.add("end-of-data", "swallow", count=1)
    server.faults.add("QUIT", "drop", count=1)  # who pipelines it takes the 221 for the 250
    server.faults.add("idle", "reset", seconds=5.0, count=1)  # others wait for ten minutes
    mta.send("twice", TO)
    assert mta.wait_for(TO, "deferred") == 1
    first = the_only_copy(server)
    mta.retry()
    mta.wait_for(TO, "deferred", "delivered")

    _, second = server.messages
    assert len(first.session.faults) == 1
    assert second.session.faults == ()
    assert body_of(second) == BODY


@pytest.mark.long
def test_nobody_hears_of_what_becomes_of_accepted_mail(server: MailServer, mta: Mta) -> None:
    """Lost, damaged or doubled: for the mail server it is delivered, and it tries no more."""
    actions: tuple[Action, ...] = ("lose", "corrupt", "duplicate")
    for action in actions:
        with server.faults.add("after-acceptance", action):
            mta.send(action, f"{action}@judged.test")
            mta.wait_for(f"{action}@judged.test", "delivered")

    assert mta.queue() == []
    damaged, *doubled = server.messages
    assert [one.subject for one in (damaged, *doubled)] == ["corrupt", "duplicate", "duplicate"]
    assert len(body_of(damaged)) == len(BODY)
    assert body_of(damaged) != BODY
    assert doubled[0].raw == doubled[1].raw


@pytest.mark.long
@pytest.mark.parametrize("action", ["tls-broken", "tls-drop"])
def test_mail_goes_in_clear_or_later_when_the_handshake_fails(
    server: MailServer, run_mta: RunMta, action: Action
) -> None:
    """Where TLS is no must, exim and OpenSMTPD do without at once; Postfix waits for it."""
    with run_mta(server.host, server.port, tls=True) as mta:
        outcomes = ["deferred", "delivered"] if isinstance(mta, Postfix) else ["delivered"]
        with server.faults.add("STARTTLS", action, count=1):
            mta.send("no handshake", TO)
            mta.wait_for(TO, outcomes[0])
        mta.retry()
        mta.wait_for(TO, *outcomes)

    assert bool(the_only_copy(server).session.tls_version) is ("deferred" in outcomes)


@pytest.mark.long
def test_who_does_tls_if_offered_asks_for_no_certificate(
    server: MailServer, run_mta: RunMta
) -> None:
    """Whatever is wrong with ours, the message comes by TLS."""
    actions: tuple[Action, ...] = ("tls-expired", "tls-wrong-name", "tls-untrusted")
    for action in actions:
        # Each time another one, which has no connection left.
        with (
            server.faults.add("STARTTLS", action) as fault,
            run_mta(server.host, server.port, tls=True) as mta,
        ):
            mta.send(action, TO)
            mta.wait_for(TO, "delivered")
            assert fault.fired == 1

    assert [one.session.tls_version for one in server.messages] == ["TLSv1.3"] * 3


@pytest.mark.long
def test_a_late_bounce_reaches_the_sender(program: Find, tmp_path: Path) -> None:
    """Our DSN goes by the relay to a real Postfix, which takes it and passes it on as it is."""
    port = free_port()
    settings = chosen_settings(settings={"relay": {"server": f"127.0.0.1:{port}"}})
    with (
        in_process(settings, folder=tmp_path) as server,
        postfix_to(program, server.host, server.port, own_port=port) as mta,
    ):
        server.faults.add(
            "after-acceptance", "bounce", code=550, enhanced="5.1.1", text="No such user"
        )
        mta.send("accepted", TO)
        mta.wait_for(SENDER, "delivered")
        mta.wait_for(TO, "delivered")
        accepted, ours, passed_on = server.messages

    assert (accepted.subject, ours.session.via) == ("accepted", "bounce")
    assert (passed_on.sender, passed_on.recipients) == ("", (SENDER,))
    assert passed_on.raw.startswith(b"Received: from bindpost-relay.")
    assert passed_on.raw.endswith(ours.raw)


@pytest.mark.long
def test_success_is_told_by_us(program: Find, tmp_path: Path) -> None:
    """Postfix passes on what its sender wants to know (RFC 3461), and leaves the telling to us."""
    with (
        in_process(chosen_settings(), folder=tmp_path) as server,
        postfix_to(program, server.host, server.port) as mta,
    ):
        mta.submit(BODY, TO, options=("-N", "success", "-V", "id+1", "-R", "full"))
        mta.wait_for(TO, "delivered")
        told = server.wait_for(to=SENDER, sender="", timeout=PATIENCE)
        message, _ = server.messages

    assert message.envelope.parameters["ENVID"] == "id+2B1"
    assert told.session.via == "dsn"
    assert b"Original-Envelope-Id: id+1\r\n" in told.raw
    assert b"Original-Recipient: rfc822;jane@judged.test\r\n" in told.raw
    assert b"Action: delivered\r\n" in told.raw
    assert b"Hello." not in told.raw
