"""Header fields of a list row: read from any bytes, quickly, and fit to be shown."""

from __future__ import annotations

import base64
import re
import time
import warnings
from email import message_from_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bindpost.server.message.headers import (
    FIELD_LIMIT,
    HEADER_LIMIT,
    HeaderFields,
    read_fields,
)

UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def subject(value: bytes) -> str:
    """Give how a Subject field with this value is shown."""
    return read_fields(b"Subject: " + value + b"\r\n\r\n").subject


def test_all_fields_are_read() -> None:
    """The five fields are found in any order and any case, white space around them cut."""
    raw = (
        b"Received: from a by b;\r\n\tMon, 1 Jan 1998\r\nmessage-id:<1@x>\r\nTO: b@x,\r\n c@x\r\n"
        b"Cc:  d@x  \r\nFrom : A <a@x>\r\nSubject:\thello\r\n\r\nbody\r\n"
    )

    assert read_fields(raw) == HeaderFields(
        subject="hello", from_="A <a@x>", to="b@x, c@x", cc="d@x", message_id="<1@x>"
    )


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\r\nSubject: body\r\n", id="empty header"),
        pytest.param(b"\nSubject: body\n", id="empty header, bare LF"),
        pytest.param(b"Hello,\r\nSubject: body\r\n", id="no header"),
        pytest.param(b"To-Do: x\r\n\r\nSubject: body", id="no such field"),
        pytest.param(b"X-Subject: x\r\nSubjects: y\r\n\r\n", id="longer names"),
        pytest.param(b"X: a\r\n Subject: folded\r\n\r\n", id="continuation of another field"),
        pytest.param(b"Subject\r\n\r\n", id="no colon"),
        pytest.param(b"Subject:", id="no value"),
        pytest.param(b"Subject: \r\n \r\n\t\r\n\r\n", id="blank value"),
        pytest.param(b"\x00\xff\xfe", id="no text at all"),
    ],
)
def test_absent_fields_are_empty(raw: bytes) -> None:
    """What is not in the header section is not read."""
    assert read_fields(raw) == HeaderFields()


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"Subject: x\nTo: y\n\nSubject: no\n", id="bare LF"),
        pytest.param(b"Subject: x\r\nTo: y", id="no body, no line end"),
        pytest.param(b"From a@x Mon Jan  1 1998\r\nSubject: x\r\nTo: y\r\n\r\n", id="mbox line"),
        pytest.param(b"Subject: x\r\nTo: y\r\nSubject: second\r\nTo: z\r\n\r\n", id="twice"),
        pytest.param(b"Subject: x\r\nTo: y\r\nno field\r\nCc: body\r\n", id="header just ends"),
    ],
)
def test_header_section_is_found(raw: bytes) -> None:
    """The section goes to the first line that is no field; the first field of a name counts."""
    assert read_fields(raw) == HeaderFields(subject="x", to="y")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"=?utf-8?q?caf=C3=A9_au_lait?=", "café au lait"),
        (b"=?UTF-8?B?Y2Fmw6k=?=", "café"),
        (b"=?utf-8?B?Y2Fmw6k?=", "café"),
        (b"=?iso-8859-1?Q?caf=E9?= today", "café today"),
        (b"=?windows-1252?Q?=80?=", "€"),
        (b"=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?koi8-r?B?0NLJ18XU?=", "привет"),
        (b"=?us-ascii*en-gb?q?a?= =?us-ascii?q?b?=", "ab"),
        (b"=?utf-8?q?a?=\r\n =?iso-8859-1?q?=E9?=", "aé"),
        (b"=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "café"),
        (b"a =?utf-8?q?b?= c =?utf-8?q?d?=", "a b c d"),
        (b"Re: =?utf-8?q?a b?=", "Re: a b"),
        (b"folded\r\n\twith a tab\r\n and a blank", "folded with a tab and a blank"),
        (b"caf\xc3\xa9", "café"),
        (b"caf\xe9", "café"),
        (b"=?no-such-charset?q?caf=C3=A9?=", "café"),
        (b"=?idna?q?xn--a?=", "xn--a"),
        (b"=?hex_codec?q?61?=", "61"),
        (b"=?utf-8?b?!?=", ""),
        (b"=?utf-8?b?QUJDR?=", "ABC"),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        (b"=?utf-8?q?open", "=?utf-8?q?open"),
        (b"=?utf-8?q??=", ""),
        (b"=?utf-7?q?+2AA-?=", ""),
        (b"a\x00b\x1b[31mc\x7fd", "a b [31mc d"),
        (b"=?utf-8?q?a=0D=0Ab=00?=", "a  b"),
    ],
)
def test_values_are_decoded_for_display(value: bytes, shown: str) -> None:
    """Encoded words, raw octets and controls become text that can be shown."""
    assert subject(value) == shown


def test_unknown_escapes_of_python_do_not_warn() -> None:
    """Codecs that only Python knows are no charsets; their warnings never show up."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert subject(b"=?unicode_escape?q?=5Cq?=") == "\\q"


def test_fields_are_cut() -> None:
    """No field gets longer than the limit, however long it came."""
    assert subject(b"x" * 100_000) == "x" * FIELD_LIMIT
    word = b"=?utf-8?B?" + base64.b64encode("😀".encode() * 11) + b"?=\r\n "
    assert subject(word * 1000) == "😀" * FIELD_LIMIT


def test_only_the_beginning_is_looked_at() -> None:
    """A field that stands behind the limit is not read."""
    padding = b"X: " + b"x" * (HEADER_LIMIT - 100) + b"\r\n"

    assert read_fields(padding + b"Subject: seen\r\n\r\n").subject == "seen"
    assert read_fields(padding + b"Y: " + b"y" * 100 + b"\r\nSubject: x\r\n\r\n").subject == ""


@given(st.binary(max_size=300))
@example(b"Subject: =?utf-7?b?KzJBQS0=?=\r\n")
def test_any_bytes_give_showable_text(tail: bytes) -> None:
    """Whatever the bytes, nothing is raised and the fields are valid, printable Unicode."""
    for raw in (tail, b"Subject: " + tail, b"To: =?utf-8?q?" + tail, b"Cc: =?" + tail + b"?="):
        for name in ("subject", "from_", "to", "cc", "message_id"):
            text: str = getattr(read_fields(raw), name)
            assert not UNSHOWABLE.search(text)
            assert len(text) <= FIELD_LIMIT


MARKS = [b"=?", b"?=", b"?", b"=", b"q", b"B", b"*", b"_", b" ", b"\r\n "]
CHARSETS = [b"utf-8", b"utf-7", b"iso-2022-jp", b"hz", b"gb18030", b"mbcs"]
VALUES = [b"+2AA-", b"QQ==", b"=ED=A0=80", b"\xff"]
WORD_PARTS = st.sampled_from([*MARKS, *CHARSETS, *VALUES])


@given(st.lists(WORD_PARTS, max_size=40).map(b"".join))
def test_broken_encoded_words_give_showable_text(value: bytes) -> None:
    """Encoded words broken in any way raise nothing and leave nothing unshowable."""
    assert not UNSHOWABLE.search(subject(value))


@given(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=60))
def test_decoding_agrees_with_the_standard_library(text: str) -> None:
    """What Python's email package encodes is decoded to the same text."""
    from email.header import Header

    encoded = Header(text, "utf-8", header_name="Subject").encode()

    assert subject(encoded.encode("ascii")) == text


@given(
    st.lists(st.sampled_from([b"Subject: a\r\n", b"To: b\n", b"X: y\r\n", b" z\r\n"]), max_size=9)
)
def test_values_agree_with_the_standard_library(lines: list[bytes]) -> None:
    """In a well-formed header the first field of a name is the one that Python's email finds."""
    raw = b"Date: now\r\n" + b"".join(lines) + b"\r\nTo: body\r\n"

    parsed = message_from_bytes(raw)

    for name, value in (("Subject", read_fields(raw).subject), ("To", read_fields(raw).to)):
        expected = str(parsed.get(name, ""))
        assert value.split() == expected.split()


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"a:\n" * 100_000, id="many fields"),
        pytest.param(b"subject:\n" * 100_000, id="the same field"),
        pytest.param(b"subject:" + b"\n " * 100_000, id="many folds"),
        pytest.param(b"subject: " + b"=?a?q? " * 100_000, id="open words"),
        pytest.param(b"subject: " + b"=?utf-8?q?a?=" * 100_000, id="many words"),
        pytest.param(b"subject: " + b"=?" * 100_000, id="beginnings of words"),
        pytest.param(b"subject: x" + b" \t" * 100_000 + b"x", id="white space"),
        pytest.param(b"subject: " + b"=?utf-7?b?KzJBQS0=?= " * 100_000, id="surrogates"),
        pytest.param(b"a" * 1_000_000, id="one line"),
        pytest.param(b"x y: " * 1_000_000, id="no field"),
    ],
)
def test_hostile_headers_take_milliseconds(raw: bytes) -> None:
    """The work is bounded: 50 ms is far more than any header takes, far less than its square."""
    start = time.process_time()

    read_fields(raw)

    assert time.process_time() - start < 0.05
