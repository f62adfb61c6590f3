"""The fixture `bindpost`: a server of the test's own, for sync and async tests."""

from __future__ import annotations

import asyncio
import logging
import math
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from bindpost.client import Client, Message, WaitRefusedError
from bindpost.testing.chosen import chosen_settings
from bindpost.testing.happened import NoSuchEventError
from bindpost.testing.inprocess import in_process
from bindpost.testing.mailserver import MailServer, NoSuchMailError, NotListeningError

HOPELESS = "winsock://127.0.0.1:1"
FAILED = "The following error occurred while trying to bind the TCP/IP listener socket (10050)"


def send(server: MailServer, *, to: str = "jane@example.test", subject: str = "Hello") -> None:
    """Send a message as a program does."""
    message = EmailMessage()
    message["From"] = "Shop <shop@example.test>"
    message["To"] = to
    message["Subject"] = subject
    message.set_content("Your code is 482913, see https://example.test/confirm?t=1.\n")
    message.add_attachment(b"\0\1", maintype="application", subtype="pdf", filename="bill.pdf")
    with smtplib.SMTP(server.host, server.port) as smtp:
        smtp.send_message(message, mail_options=["BODY=8BITMIME"], rcpt_options=["NOTIFY=NEVER"])


def test_a_message_has_all_that_is_known_of_it(bindpost: MailServer) -> None:
    """Envelope, session, content, findings, transcript and bytes of a message are at hand."""
    send(bindpost)

    message = bindpost.wait_for(to="JANE@example.test", sender="shop@example.test", subject="hel")

    assert (message.sender, message.recipients) == ("shop@example.test", ("jane@example.test",))
    assert dict(message.envelope.parameters)["BODY"] == "8BITMIME"
    assert dict(message.envelope.recipients[0].parameters) == {"NOTIFY": "NEVER"}
    assert (message.session.personality, message.session.via) == ("plain", "direct:")
    assert message.session.peer is not None
    assert message.subject == "Hello"
    assert message.text.startswith("Your code is 482913")
    assert message.header("from") == "Shop <shop@example.test>"
    assert message.links == ("https://example.test/confirm?t=1",)
    assert message.codes == ("482913",)
    assert [found.file_name for found in message.attachments] == ["bill.pdf"]
    (bill,) = message.email().iter_attachments()
    assert bill.get_content() == b"\0\1"
    assert message.raw.startswith(b"From: Shop <shop@example.test>\r\n")
    assert [line.text for line in message.transcript if line.text.startswith("mail FROM")]
    assert isinstance(message, Message)
    with pytest.raises(AttributeError):
        message.id = "changed"  # type: ignore[misc]


def test_messages_are_in_order(bindpost: MailServer) -> None:
    """The list has the messages as they came, and `clear` empties it."""
    for subject in ("one", "two", "three"):
        send(bindpost, subject=subject)

    assert [message.subject for message in bindpost.messages] == ["one", "two", "three"]
    bindpost.clear()
    assert bindpost.messages == []


def test_a_message_that_comes_later_is_waited_for(bindpost: MailServer) -> None:
    """A wait ends with the message, not before."""
    sender = threading.Timer(0.05, send, [bindpost], {"subject": "later"})
    sender.start()

    assert bindpost.wait_for(subject="later").subject == "later"
    sender.join()


def test_one_after_another(bindpost: MailServer) -> None:
    """`after` goes on behind a message that was seen."""
    send(bindpost)
    send(bindpost)

    first = bindpost.wait_for(to="jane@example.test")
    second = bindpost.wait_for(to="jane@example.test", after=first)

    assert first.id != second.id
    with pytest.raises(NoSuchMailError):
        bindpost.wait_for(after=second.cursor, timeout=0)


def test_other_conditions(bindpost: MailServer) -> None:
    """Header fields, patterns and links can be asked for; what means nothing is refused."""
    send(bindpost)

    assert bindpost.wait_for(
        headers={"To": "jane@example.test"},
        header_regexes={"subject": "^H.llo$"},
        subject_regex="(?i)^HELLO",
        has_link=True,
    )
    with pytest.raises(WaitRefusedError, match=r"the pattern '\(' is none of RE2's"):
        bindpost.wait_for(subject_regex="(")
    misspelt: Any = {"recipient": "jane@example.test"}
    with pytest.raises(WaitRefusedError, match=r"recipient: no condition; there are to, sender"):
        bindpost.wait_for(**misspelt)


def test_what_did_not_come_is_told(bindpost: MailServer) -> None:
    """A wait in vain fails the test, and says what it looked for and what came instead."""
    with pytest.raises(NoSuchMailError, match="none came at all"):
        bindpost.wait_for(timeout=0)
    send(bindpost)

    with pytest.raises(AssertionError) as failure:
        bindpost.wait_for(to="bob@example.test", timeout=0.01)

    assert str(failure.value) == (
        "no mail with to 'bob@example.test' came in 0.01 seconds; 1 came:\n"
        "  from 'shop@example.test' to jane@example.test: 'Hello'"
    )


async def test_async_tests_use_it_too(bindpost: MailServer) -> None:
    """The twin waits without blocking the loop of the test."""
    waiting = asyncio.create_task(bindpost.async_wait_for(to="jane@example.test"))
    ticks = 0
    sender = asyncio.create_task(asyncio.to_thread(send, bindpost))
    while not waiting.done():
        await asyncio.sleep(0)
        ticks += 1
    await sender

    assert (await waiting).subject == "Hello"
    assert ticks > 1
    with pytest.raises(NoSuchMailError):
        await bindpost.async_wait_for(to="nobody@example.test", timeout=0)


async def test_a_wait_can_be_cancelled(bindpost: MailServer) -> None:
    """A cancelled wait ends at once, and the server goes on."""
    waiting = asyncio.create_task(bindpost.async_wait_for(to="jane@example.test", timeout=60))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await asyncio.to_thread(send, bindpost)
    assert await bindpost.async_wait_for()


def test_it_tells_what_it_is(bindpost: MailServer) -> None:
    """Address, settings and events are there from the start."""
    assert bindpost.smtp == f"smtp://127.0.0.1:{bindpost.port}"
    assert repr(bindpost) == f"<MailServer at 127.0.0.1:{bindpost.port}>"
    assert bindpost.settings is not None
    assert bindpost.settings.personality == "plain"
    assert bindpost.web is None
    assert bindpost.events[-1].message.startswith("bindpost is ready")
    assert bindpost.events.ids == [event.id for event in bindpost.events]
    assert "bindpost is ready" in repr(bindpost.events)


@pytest.mark.bindpost(personality="ims-5.5")
class TestMarkers:
    """Markers configure it, from the class to the function."""

    def test_the_class_counts(self, bindpost: MailServer) -> None:
        """What the class is marked with holds for its tests."""
        send_plainly(bindpost)
        assert bindpost.messages[0].session.personality == "ims-5.5"

    @pytest.mark.bindpost(settings={"limits": {"message_size": 1000}}, personality="plain")
    def test_the_function_wins(self, bindpost: MailServer) -> None:
        """What the function is marked with is added, and wins."""
        assert bindpost.settings is not None
        assert bindpost.settings.limits.message_size == 1000
        with pytest.raises(smtplib.SMTPException):
            send_plainly(bindpost, size=2000)
        assert bindpost.messages == []


def send_plainly(server: MailServer, *, size: int = 10) -> None:
    """Send a message without any extension."""
    with smtplib.SMTP(server.host, server.port) as smtp:
        smtp.sendmail("a@example.test", "b@example.test", b"Subject: x\r\n\r\n" + b"x" * size)


@pytest.mark.bindpost(tls="starttls")
def test_starttls(bindpost: MailServer) -> None:
    """A certificate is made on the spot."""
    with smtplib.SMTP(bindpost.host, bindpost.port) as smtp:
        smtp.starttls(context=ssl._create_unverified_context())
        smtp.sendmail("a@example.test", "b@example.test", "Subject: secret\r\n\r\n")

    assert bindpost.wait_for(subject="secret").session.tls_version == "TLSv1.3"


@pytest.mark.bindpost(tls="implicit")
def test_implicit_tls(bindpost: MailServer) -> None:
    """TLS from the first byte."""
    context = ssl._create_unverified_context()
    with smtplib.SMTP_SSL(bindpost.host, bindpost.port, context=context) as smtp:
        smtp.sendmail("a@example.test", "b@example.test", "Subject: secret\r\n\r\n")

    assert bindpost.wait_for(subject="secret").session.tls_version == "TLSv1.3"


@pytest.mark.bindpost(via=HOPELESS, on_bind_failure="continue")
def test_a_bind_that_fails_on_purpose(bindpost: MailServer) -> None:
    """A lab's 4007 can be asserted, its fields with it; no mail can be sent then."""
    event = bindpost.events.wait_for(id=4007)

    assert (event.source, event.level, event.message) == ("MSExchangeIMC", "error", FAILED)
    assert event.strings == ("10050",)
    assert event.fields["hop"] == "connect"
    assert event.error["type"] == "WSAENETDOWN"
    assert bindpost.events.wait_for(text="TRYING TO BIND", source="MSExchangeIMC") == event
    with pytest.raises(NotListeningError, match=r"see its \.events"):
        _ = bindpost.smtp


@pytest.mark.bindpost(via=HOPELESS, on_bind_failure="continue")
async def test_events_can_be_awaited(bindpost: MailServer) -> None:
    """The twin of `events.wait_for` waits without blocking, and fails like it."""
    assert (await bindpost.events.async_wait_for(id=4007)).id == 4007
    with pytest.raises(NoSuchEventError, match="no event bindpost 9 happened in 0 seconds; these"):
        await bindpost.events.async_wait_for(source="bindpost", id=9, timeout=0)


@pytest.mark.bindpost(settings={"limits": {"sessions": 1}})
def test_an_event_to_come_is_waited_for(bindpost: MailServer) -> None:
    """An event that happens later ends the wait; one that doesn't fails the test."""
    bindpost.clear()
    with pytest.raises(NoSuchEventError, match="none did at all"):
        bindpost.events.wait_for(id=102, timeout=0)

    def come_too_late() -> None:
        with (
            smtplib.SMTP(bindpost.host, bindpost.port),
            pytest.raises(smtplib.SMTPConnectError),
        ):
            smtplib.SMTP(bindpost.host, bindpost.port)

    client = threading.Timer(0.05, come_too_late)
    client.start()
    event = bindpost.events.wait_for(id=102)
    client.join()

    assert event.message.startswith("A session was refused")


def test_two_know_nothing_of_each_other(bindpost: MailServer) -> None:
    """Two servers in one process have their own mail and their own events."""
    settings = chosen_settings(via=HOPELESS, on_bind_failure="continue")
    with in_process(settings, folder=Path()) as other:
        send(bindpost)

        assert other.events.wait_for(id=4007)
        assert other.messages == []
        assert len(bindpost.messages) == 1
        assert 4007 not in bindpost.events.ids


@pytest.mark.bindpost(settings={"web": "127.0.0.1:0"})
def test_the_web_side_on_demand(bindpost: MailServer) -> None:
    """With the web side on, the API tells the same."""
    assert bindpost.web is not None
    send(bindpost)

    assert Client(bindpost.web).message("latest").id == bindpost.messages[0].id


def test_the_programs_logging_stays_as_it_is(
    bindpost: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing below the program's level reaches it, and no level or handler of it is changed."""
    send(bindpost)

    assert caplog.records == []
    assert logging.getLogger("bindpost").level == logging.NOTSET
    assert logging.getLogger().level == logging.WARNING


@pytest.mark.bindpost(via=HOPELESS, on_bind_failure="continue")
def test_what_is_logged_reads_as_sentences(
    bindpost: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    """An error reaches the program's log, as a sentence."""
    bindpost.events.wait_for(id=4007)

    assert [record.getMessage() for record in caplog.get_records("setup")] == [FAILED]


def test_nothing_is_left(open_descriptors: Callable[[], int]) -> None:
    """Threads, sockets and tasks are gone when the server is."""
    settings = chosen_settings(settings={"web": "127.0.0.1:0"})
    threads = set(threading.enumerate())
    handlers = logging.getLogger("bindpost").handlers[:]
    descriptors = open_descriptors()
    with in_process(settings, folder=Path()) as server:
        address = (server.host, server.port)
        send(server)
        assert server.wait_for()
        left_open = socket.create_connection(address)
        assert left_open.recv(512)
    left_open.close()

    # No more than before: what another test left behind may end meanwhile.
    assert set(threading.enumerate()) <= threads
    assert open_descriptors() <= descriptors
    assert logging.getLogger("bindpost").handlers == handlers
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address).close()


def test_it_is_fast() -> None:
    """A server comes and goes in less than 30 ms, as soon as the machine has the time for it."""
    settings = chosen_settings()
    times = [math.inf]
    while times[-1] >= 0.03:
        assert len(times) < 200, times
        start = time.perf_counter()
        with in_process(settings, folder=Path()):
            pass
        times.append(time.perf_counter() - start)
