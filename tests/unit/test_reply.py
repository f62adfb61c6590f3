"""A reply on the wire: its form, its bounds, and that nothing can end it early."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.server.smtp.reply import MAX_LINE, Reply

codes = st.integers(200, 599)
lines = st.lists(
    st.text(st.characters(), max_size=600) | st.text("\r\n\0 a-é\ud800", max_size=20), min_size=1
).map(tuple)


@pytest.mark.parametrize(
    ("reply", "wire"),
    [
        (Reply(250, ("OK",)), b"250 OK\r\n"),
        (Reply(250, ("",)), b"250 \r\n"),
        (Reply(334, ("",)), b"334 \r\n"),
        (
            Reply(250, ("host Hello", "SIZE 0", "TLS")),
            b"250-host Hello\r\n250-SIZE 0\r\n250 TLS\r\n",
        ),
        (Reply(250, ("a", "")), b"250-a\r\n250 \r\n"),
        (Reply(250, ("ä",)), b"250 \xc3\xa4\r\n"),
        (Reply(250, ("a\rb\nc\0d",)), b"250 abcd\r\n"),
        (Reply(250, ("a\r\n354 go on",)), b"250 a354 go on\r\n"),
        (Reply(250, ("\ud800",)), b"250 ?\r\n"),
    ],
)
def test_a_reply_has_a_code_on_each_line(reply: Reply, wire: bytes) -> None:
    """Each line has the code, a hyphen if more follow, and CRLF (RFC 5321, 4.2.1)."""
    assert reply.encode() == wire


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("250 OK", Reply(250, ("OK",))),
        ("334 ", Reply(334, ("",))),
        ("250-a\r\n250-b\r\n250 c", Reply(250, ("a", "b", "c"))),
        ("535 5.7.8 No", Reply(535, ("5.7.8 No",))),
    ],
)
def test_a_reply_is_read_from_its_text(text: str, reply: Reply) -> None:
    """What aiosmtpd says becomes a reply."""
    assert Reply.parse(text) == reply


@pytest.mark.parametrize(
    ("code", "positive"), {250: True, 354: True, 399: True, 421: False, 550: False}.items()
)
def test_a_reply_is_positive_below_400(code: int, positive: bool) -> None:
    """2yz and 3yz are positive (RFC 5321, 4.2.1)."""
    assert Reply(code, ("",)).is_positive is positive


@pytest.mark.parametrize("length", [MAX_LINE - 5, MAX_LINE - 4, MAX_LINE - 3, 10 * MAX_LINE])
def test_a_line_is_cut_at_510_octets(length: int) -> None:
    """No line is longer than 512 octets with its CRLF (RFC 5321, 4.5.3.1.5)."""
    wire = Reply(250, ("x" * length,)).encode()

    assert wire == b"250 " + b"x" * min(length, MAX_LINE - 4) + b"\r\n"


@given(codes, lines)
def test_nothing_ends_a_reply_early(code: int, text: tuple[str, ...]) -> None:
    """Whatever its text, a reply is its number of whole lines with its code, and nothing more."""
    wire = Reply(code, text).encode()

    assert re.fullmatch(rb"(?:%d-[^\r\n\0]*\r\n)*%d [^\r\n\0]*\r\n" % (code, code), wire)
    assert wire.count(b"\r\n") == len(text)
    assert max(map(len, wire.splitlines(keepends=True))) <= MAX_LINE + 2


@given(
    codes,
    st.lists(
        st.text(
            st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=100
        ),
        min_size=1,
    ),
)
def test_a_clean_reply_arrives_as_it_is(code: int, text: list[str]) -> None:
    """Text within the bounds is not altered, and read back it is the same reply."""
    reply = Reply(code, tuple(text))

    assert Reply.parse(reply.encode().decode().removesuffix("\r\n")) == reply
