"""A real Postfix as the judge of presets: it queues, tries again, delivers once, or bounces."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bindpost.testing.chosen import chosen_settings
from bindpost.testing.inprocess import in_process
from bindpost.testing.mailserver import MailServer

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(180),
    pytest.mark.skipif(os.geteuid() != 0, reason="Postfix is started by root only"),
]

PATIENCE = 60.0
MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
myhostname = mta.test
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
relayhost = [{host}]:{port}
smtp_tls_security_level = none
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
default_destination_concurrency_failed_cohort_limit = 0
smtp_connection_cache_on_demand = no
"""
MASTER = """
pickup    unix  n - n 1 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 1 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
flush     unix  n - n 1000? 0 flush
smtp      unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
postlog   unix-dgram n - n - 1 postlogd
"""

Send = Callable[..., None]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    """Give the server that Postfix relays to."""
    with in_process(chosen_settings(), folder=tmp_path) as server:
        yield server


@pytest.fixture
def send(server: MailServer, program: Callable[[str], Path], tmp_path: Path) -> Iterator[Send]:
    """Start a Postfix of the test's own; gives what hands it a message."""
    postfix, sendmail = program("postfix"), program("sendmail")
    config = tmp_path / "etc"
    for name in ("etc", "queue", "data"):
        (tmp_path / name).mkdir()
    shutil.chown(tmp_path / "data", "postfix")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)  # the daemons are not root
    places = {"folder": tmp_path, "host": server.host, "port": server.port}
    (config / "main.cf").write_text(MAIN.format(**places), "ascii")
    (config / "master.cf").write_text(MASTER, "ascii")
    subprocess.run([postfix, "-c", config, "start"], check=True, capture_output=True, timeout=60)

    def hand_over(to: str, subject: str, *options: str) -> None:
        mail = f"From: sender@origin.test\nTo: {to}\nSubject: {subject}\n\nHello.\n"
        command = [str(sendmail), "-C", str(config), "-i", "-f", "sender@origin.test"]
        subprocess.run([*command, *options, to], check=True, input=mail.encode(), timeout=60)

    yield hand_over
    subprocess.run([postfix, "-c", config, "stop"], check=True, capture_output=True, timeout=60)


def test_success_is_told_by_us(server: MailServer, send: Send) -> None:
    """Postfix passes on what its sender wants to know (RFC 3461), and leaves the telling to us."""
    send("jane@dsn.test", "confirmed", "-N", "success", "-V", "id+1", "-R", "full")
    message = server.wait_for(subject="confirmed", timeout=PATIENCE)
    told = server.wait_for(to="sender@origin.test", sender="", timeout=PATIENCE)

    assert message.envelope.parameters["ENVID"] == "id+2B1"
    assert told.session.via == "dsn"
    assert b"Original-Envelope-Id: id+1\r\n" in told.raw
    assert b"Original-Recipient: rfc822;jane@dsn.test\r\n" in told.raw
    assert b"Action: delivered\r\n" in told.raw
    assert b"Hello." not in told.raw
    assert len(server.messages) == 2


def test_greylisted_mail_arrives_once(server: MailServer, send: Send) -> None:
    """Postfix is turned away, keeps the message, and gets it through when the time has gone."""
    with server.faults.add("RCPT", "greylist", seconds=3.0, code=450) as greylist:
        send("jane@grey.test", "greylisted")
        message = server.wait_for(subject="greylisted", timeout=PATIENCE)

        assert greylist.fired >= 1
    assert message.recipients == ("jane@grey.test",)
    assert len(server.messages) == 1


def test_all_mail_gets_through_a_flaky_relay_once(server: MailServer, send: Send) -> None:
    """Whatever is refused for now is tried again, and nothing arrives twice."""
    subjects = {f"flaky {number}" for number in range(12)}
    with server.faults.preset("flaky-relay") as flaky:
        for subject in sorted(subjects):
            send("jane@flaky.test", subject)
        for subject in sorted(subjects):
            server.wait_for(subject=subject, timeout=PATIENCE)

        assert flaky.fired >= 1
    arrived = [message.subject for message in server.messages]
    assert sorted(arrived) == sorted(subjects)


def test_mail_to_a_full_mailbox_bounces(server: MailServer, send: Send) -> None:
    """Postfix tells the sender, in our words, and does not try again."""
    with server.faults.preset("full-mailbox", recipient="*@full.test") as full:
        send("jane@full.test", "too much")
        bounce = server.wait_for(to="sender@origin.test", sender="", timeout=PATIENCE)

        assert full.fired == 1
    assert b"Status: 5.2.2" in bounce.raw
    assert b"Mailbox full, quota exceeded" in bounce.raw
    assert len(server.messages) == 1


def test_mail_gets_through_a_tarpit_once(server: MailServer, send: Send) -> None:
    """Postfix waits as long as RFC 5321 wants it to."""
    with server.faults.preset("tarpit") as tarpit:
        send("jane@slow.test", "slow")
        message = server.wait_for(subject="slow", timeout=PATIENCE)

    assert [one.stage for one in tarpit.log] == ["banner", "RCPT", "end-of-data"]
    assert len(message.session.faults) == 3
    assert len(server.messages) == 1


def test_postfix_goes_on_without_ehlo_behind_a_pix(server: MailServer, send: Send) -> None:
    """It says HELO when EHLO is refused, and the asterisks of the banner don't stop it."""
    with server.faults.preset("pix-fixup"):
        send("jane@pix.test", "behind a PIX")
        message = server.wait_for(subject="behind a PIX", timeout=PATIENCE)

    assert not message.session.esmtp
    assert message.session.helo == "mta.test"


def test_a_250_that_does_not_come_makes_a_second_copy(server: MailServer, send: Send) -> None:
    """The message is kept, but Postfix does not hear of it, and sends it again."""
    # It pipelines QUIT, whose 221 it would take for the missing 250.
    server.faults.add("QUIT", "drop", count=1)
    with server.faults.add("end-of-data", "swallow", count=1):
        send("jane@twice.test", "twice")
        first = server.wait_for(subject="twice", timeout=PATIENCE)
        second = server.wait_for(subject="twice", after=first, timeout=PATIENCE)

    assert len(first.session.faults) == 1
    assert second.session.faults == ()
    assert len(server.messages) == 2
