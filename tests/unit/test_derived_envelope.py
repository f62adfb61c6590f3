"""What a header says of the envelope."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.server.message import derived


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        (b"Return-Path: <r@x>\r\nSender: s@x\r\nFrom: f@x\r\n", "r@x"),
        (b"Return-Path: <>\r\nFrom: f@x\r\n", ""),
        (b"From: F <f@x>, g@x\r\nSender: S <s@x>\r\n", "s@x"),
        (b"FROM:\r\n =?utf-8?q?J=C3=B6rg?=\r\n <f@x>\r\n", "f@x"),
        (b"From: nobody\n", ""),
        (b"From root Thu Nov 26 2026\nFrom: f@x\n", "f@x"),
        (b"\r\nFrom: body@x\r\n", ""),
        (b"a: b\n\nFrom: body@x\n", ""),
        (b"", ""),
    ],
)
def test_the_sender(header: bytes, sender: str) -> None:
    """Return-Path before Sender before From; nothing of the body."""
    assert derived.reverse_path(header) == sender


@pytest.mark.parametrize(
    ("header", "recipients"),
    [
        (b"To: a@x, B <b@x>\r\nCc: a@x, c@x\r\nBcc: d@x\r\n", ("a@x", "b@x", "c@x", "d@x")),
        (b"To: a@x\r\nDelivered-To: real@x\r\n", ("real@x",)),
        (b"X-Original-To: real@x\nTo: a@x\n", ("real@x",)),
        (b"To: undisclosed-recipients:;\r\n", ()),
        (b"Subject: x\r\n", ()),
        (b"To: =?utf-8?q?a=0Ab@x?=\r\n", ()),
    ],
)
def test_the_recipients(header: bytes, recipients: tuple[str, ...]) -> None:
    """What a server has noted comes before To, Cc and Bcc; each once; controls in none."""
    assert derived.recipients(header) == recipients


def test_recipients_are_bounded() -> None:
    """A hostile header can't make an envelope without end."""
    header = b"To: " + b", ".join(b"%d@x" % place for place in range(5000)) + b"\r\n"

    assert len(derived.recipients(header)) <= derived.RECIPIENTS


@given(st.binary() | st.text("From:To, \n\r\t<>@ab").map(str.encode))
def test_any_bytes_give_something(raw: bytes) -> None:
    """It never raises."""
    assert "@" in derived.reverse_path(raw) or not derived.reverse_path(raw)
    assert all("@" in address for address in derived.recipients(raw))
