"""What PyPI's pytest-mailpit offers a test suite, against bindpost; its own pytest runs this."""

from __future__ import annotations

import os
import smtplib
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest

SMTP = os.environ["SMTP"].rpartition(":")


def send(
    subject: str,
    to: str,
    text: str = "Your code is 4711: https://example.test/x",
    *,
    html: str = "",
) -> None:
    """Send a message by SMTP."""
    message = EmailMessage()
    message["From"] = "Sender <from@example.test>"
    message["To"] = to
    message["Subject"] = subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    message.add_attachment(b"abc", maintype="application", subtype="x-test", filename="a.bin")
    with smtplib.SMTP(SMTP[0], int(SMTP[2])) as smtp:
        smtp.send_message(message)


@pytest.fixture(autouse=True)
def clean(mailpit: Any) -> None:  # Any: the package is not where types are checked
    """Begin with an empty inbox."""
    mailpit.delete_all()
    assert mailpit.messages().total == 0


def test_waiting(mailpit: Any) -> None:
    """A message that arrives is found by each criterion, and read whole."""
    since = mailpit.server_time()
    send("Welcome, Jane", "jane@example.test")
    message = mailpit.wait_for_message(
        recipient="JANE@example.test", sender="from@example.test", subject="welcome", since=since
    )
    assert message.subject == "Welcome, Jane"
    (attachment,) = message.attachments
    assert mailpit.get_attachment(attachment) == b"abc"
    mailpit.assert_no_message(recipient="bob@example.test", within=0.1)


def test_reading(mailpit: Any) -> None:
    """Lists, headers, source, tags and read flags are what pytest-mailpit takes them for."""
    send("one", "jane+news@example.test")
    send("two", "bob@example.test")
    one = mailpit.wait_for_message(subject="one")
    assert mailpit.get_headers(one.id)["Subject"] == ["one"]
    assert b"Subject: one" in mailpit.get_raw(one.id)
    assert [found.id for found in mailpit.search_all("tag:news")] == [one.id]
    mailpit.set_tags([one.id], ["other"])
    assert mailpit.wait_for_message(tag="other").id == one.id
    mailpit.mark_read([one.id], read=False)
    assert mailpit.search("is:unread").messages_count == 2
    mailpit.delete_search("subject:two")
    mailpit.delete_messages([one.id])
    assert mailpit.messages().total == 0


def test_server(mailpit: Any) -> None:
    """The server tells its version and clock, and that it has no chaos."""
    assert mailpit.is_ready()
    assert mailpit.info().version.startswith("v")
    assert abs((mailpit.server_time() - datetime.now(UTC)).total_seconds()) < 5
    with pytest.raises(Exception, match="Chaos is not enabled"):
        mailpit.chaos()


def test_checks(mailpit: Any) -> None:
    """HTML and links of a message are checked; a link that leads inside is not asked for."""
    send("plain", "jane@example.test", "See http://127.0.0.1:9/x")
    plain = mailpit.wait_for_message(subject="plain")
    with pytest.raises(Exception, match="message does not contain HTML"):
        mailpit.check_html(plain.id)
    (link,) = mailpit.check_links(plain.id, follow_redirects=True).broken
    assert (link.url, link.blocked) == ("http://127.0.0.1:9/x", True)
    send("rich", "jane@example.test", html="<p style='display:flex'>x</p>")
    check = mailpit.check_html(mailpit.wait_for_message(subject="rich").id)
    assert check.nodes == 1
    assert round(check.supported + check.partial + check.unsupported) == 100
    assert "css-display-flex" in {warning.slug for warning in check.warnings}
    assert "Outlook" in check.platforms["windows"]


def test_inbox(mailpit_inbox: Any) -> None:
    """An inbox of a test's own has the mail to its address, and no other."""
    send("mine", mailpit_inbox.address)
    send("another's", "other@example.test")
    assert mailpit_inbox.wait_for_message().subject == "mine"
