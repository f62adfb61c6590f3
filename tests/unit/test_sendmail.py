"""`sendmail`: options as programs write them, and messages made fit to be sent."""

from __future__ import annotations

import io
import re

import pytest

from bindpost.cli.sendmail_message import read
from bindpost.cli.sendmail_options import EX_USAGE, Options, SendmailError, parse


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ("-t -i", Options(from_header=True, ignore_dots=True)),
        ("-ti", Options(from_header=True, ignore_dots=True)),
        ("-oi -t", Options(from_header=True, ignore_dots=True)),
        ("-oem -oi -f a@b -- c@d -e@f", Options(["c@d", "-e@f"], "a@b", ignore_dots=True)),
        ("-fa@b c@d", Options(["c@d"], "a@b")),
        ("-r <a@b> c@d", Options(["c@d"], "a@b")),
        ("-f <> c@d", Options(["c@d"], "")),
        ("-FJane -t", Options(full_name="Jane", from_header=True)),
        ("c@d -i -t", Options(["c@d"], ignore_dots=True, from_header=True)),
        ("-v -odb -B8BITMIME -N never -R hdrs -Am c@d", Options(["c@d"])),
        ("-bm -q15m c@d", Options(["c@d"])),
        ("-bs", Options(is_dialog=True)),
        ("--server h:1 c@d", Options(["c@d"], server="h:1")),
        ("--server=unix:/s c@d", Options(["c@d"], server="unix:/s")),
    ],
)
def test_options(arguments: str, options: Options) -> None:
    """What PHP, git, cron, mail and Ruby pass is understood."""
    assert parse(arguments.split()) == options


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("-bp", "there is no -bp here: bindpost has no queue"),
        ("-bd", "`bindpost serve` listens"),
        ("-f", "-f needs a value"),
        ("--server", "--server needs a value"),
        ("-Z", "there is no option -Z"),
        ("--subject x", "there is no option --subject"),
    ],
)
def test_what_cannot_be_done(arguments: str, text: str) -> None:
    """An option that means something else here is a usage error that says so."""
    with pytest.raises(SendmailError, match=re.escape(text)) as failure:
        parse(arguments.split())

    assert failure.value.exit_code == EX_USAGE


def completed(text: bytes, *, ignore_dots: bool = True, full_name: str = "") -> bytes:
    """Give what is sent for a message."""
    draft = read(io.BytesIO(text), ignore_dots=ignore_dots)
    return draft.completed(sender="me@here", full_name=full_name, host="here")


WHOLE = b"From: a@b\nDate: x\nMessage-ID: <1@b>\n"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (b"\nHi\n", b"\r\nHi\r\n"),
        (b"Subject: a\n b\n\n", b"Subject: a\r\n b\r\n\r\n"),
        (b"Subject: a\r\n\tb\r\n\r\nHi\r\n", b"Subject: a\r\n\tb\r\n\r\nHi\r\n"),
        (b"Bcc: x@y,\n z@y\nX: 1\nBCC: q@y\n\nHi", b"X: 1\r\n\r\nHi\r\n"),
        (b"no field\nHi\n", b"\r\nno field\r\nHi\r\n"),
        (b"\n.\nHi\n..\n", b"\r\n.\r\nHi\r\n..\r\n"),
        (b"\na\rb\r\n\n\n", b"\r\na\r\nb\r\n\r\n\r\n"),
        (b"\n\xff\xfe\0\n", b"\r\n\xff\xfe\0\r\n"),
    ],
)
def test_a_message_is_made_fit(given: bytes, sent: bytes) -> None:
    """Lines end in CRLF, Bcc is gone, a header that ends without an empty line gets one."""
    assert completed(WHOLE + given) == WHOLE.replace(b"\n", b"\r\n") + sent


def test_what_is_missing_is_added() -> None:
    """From, Date and Message-ID are added, nothing else; a line of mbox is left out."""
    sent = completed(b"From me Thu Nov 26\nSubject: x\n\nHi\n", full_name="Jane (J.) Doe")

    assert re.fullmatch(
        rb'Subject: x\r\nFrom: "Jane \(J\.\) Doe" <me@here>\r\nDate: [^\r]+\r\n'
        rb"Message-ID: <[^\r]+@here>\r\n\r\nHi\r\n",
        sent,
    )
    assert b"From: me@here\r\n" in completed(b"Subject: x\n\n")
    assert b"From: =?utf-8?q?J=C3=BCrgen?= <me@here>\r\n" in completed(b"\n", full_name="Jürgen")
    injected = completed(b"\n", full_name="Jane\nX: injected")
    assert b'From: "Jane X: injected" <me@here>\r\n' in injected


def test_a_dot_ends_the_message_unless_told_otherwise() -> None:
    """Without -i a line with a single dot is the end."""
    assert completed(WHOLE + b"\none\n.\ntwo\n", ignore_dots=False).endswith(b"\r\n\r\none\r\n")


@pytest.mark.parametrize(
    ("header", "recipients"),
    [
        (b"To: Jane <jane@x>, bob@x\nCc: c@x\nBcc: b@x\n", ["jane@x", "bob@x", "c@x", "b@x"]),
        (b"To: a@x,\n b@x\n", ["a@x", "b@x"]),
        (b"To: root\n", ["root"]),
        (b"To: undisclosed-recipients:;\nBcc: b@x\n", ["b@x"]),
        (b"To: a@x\nResent-To: b@x\n", ["b@x"]),
        (b"Subject: a@x\n\nTo: b@x\n", []),
    ],
)
def test_recipients_of_the_header(header: bytes, recipients: list[str]) -> None:
    """With -t they are those of To, Cc and Bcc, or of a resent message's own."""
    assert read(io.BytesIO(header + b"\n"), ignore_dots=True).recipients() == recipients
