"""Links and one-time codes: what is found in a message, and what is none."""

from __future__ import annotations

import time

import pytest

from bindpost.server.message.found import CODE_LIMIT, LINK_LIMIT, TEXT_LIMIT, Found, find
from bindpost.server.message.parse import ParsedMessage, parse


def found(text: str = "", *, html: str = "", subject: str = "") -> Found:
    """Find in a message of these parts."""
    return find(ParsedMessage(subject=subject, text=text, html=html))


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("Go to https://example.test/confirm?t=a%20b&x=1.", ["https://example.test/confirm?t=a%20b&x=1"]),
        ("<https://example.test/>", ["https://example.test/"]),
        ("(see http://example.test/a_(b))", ["http://example.test/a_(b)"]),
        ("[HTTP://EXAMPLE.test]", ["HTTP://EXAMPLE.test"]),
        ("http://a.test, http://b.test; http://a.test!", ["http://a.test", "http://b.test"]),
        ("http://[::1]:8025/x", ["http://[::1]:8025/x"]),
        ("*https://example.test/x*", ["https://example.test/x"]),
        ("ftp://example.test mailto:a@b http://", []),
    ],
)  # fmt: skip
def test_links_of_the_text(text: str, links: list[str]) -> None:
    """URLs are found without the punctuation around them, each once."""
    assert list(found(text).links) == links


@pytest.mark.parametrize(
    ("html", "links"),
    [
        ('<p><A class="b" HREF="https://example.test/?a=1&amp;b=2">go</A>', ["https://example.test/?a=1&b=2"]),
        ("<a href='https://example.test/x'>", ["https://example.test/x"]),
        ("<a\nhref = https://example.test/x>", ["https://example.test/x"]),
        ("<area href=\"https://example.test/map\">", ["https://example.test/map"]),
        ('<!-- <a href="http://hidden.test/"> --><a href="http://shown.test/">', ["http://shown.test/"]),
        ('<a data-href="http://no.test/" href="mailto:a@b">', []),
        ('<img src="http://pixel.test/"> http://in-words.test', []),
    ],
)  # fmt: skip
def test_links_of_the_html(html: str, links: list[str]) -> None:
    """What an anchor leads to is found, its entities decoded."""
    assert list(found(html=html).links) == links


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Your code is 123456.", ["123456"]),
        ("123456 is your verification code", ["123456"]),
        ("Your code is:\n\n    0042\n", ["0042"]),
        ("Order 20391: your code is:\r\n\r\n1234", ["1234"]),
        ("Here is your PIN. It is valid for a day.\n\n4711", ["4711"]),
        ("One-time password: 123 456", ["123456"]),
        ("G-123456 is your Google verification code.", ["123456"]),
        ("OTP 1234-5678", ["12345678"]),
        ("2FA code: 99887766 (10 minutes)", ["99887766"]),
        ("Call 5551234 with your code 9876.", ["9876"]),
        ("123456 is your code. Sent in 2026 by us.", ["123456"]),
        ("Ihr Code lautet 445566, die PIN 7788.", ["445566", "7788"]),
        ("passcode=8642", ["8642"]),
        ("Your code has 6 digits and came on 2026-11-26 at 10:30.", []),
        ("The code costs 1234.50 or $1500 or 1500€; call +4930123456.", []),
        ("code 123", []),
        ("code 123456789", []),
        ("Order 123456 has been shipped.", []),
        ("barcodes 123456, encoded 123456", []),
        ("code" + " " * 61 + "123456", []),
    ],
)  # fmt: skip
def test_codes(text: str, codes: list[str]) -> None:
    """A number near a word that announces it is a code, nothing else is."""
    assert list(found(text).codes) == codes


def test_codes_of_every_part_come_once() -> None:
    """Subject, text and HTML are looked at, in this order."""
    assert found(
        "code 1111", html="<p>Your <b>code</b>:</p><h1>2222</h1>", subject="Code 3333, code 1111"
    ).codes == ("3333", "1111", "2222")


def test_a_whole_message() -> None:
    """What is encoded for the way is found as it is shown."""
    raw = (
        b"Subject: =?utf-8?q?Your_code_482913?=\r\nContent-Type: text/html; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        b'<a href=3D"https://example.test/verify?token=3Dab=\r\ncd">Verify</a>\r\n'
    )

    assert find(parse(raw)) == Found(("https://example.test/verify?token=abcd",), ("482913",))


@pytest.mark.parametrize(
    "text",
    ["code " * 60_000, "http://" * 40_000, "code 1234 " * 30_000, "(" * 300_000, "<a " * 100_000,
     "http://a" + ")" * 300_000, "http://a.test " * 20_000, "<a href='" * 30_000, "<!--" * 70_000],
)  # fmt: skip
def test_hostile_texts_take_no_time(text: str) -> None:
    """However a text is made, it is looked at in a moment, and the answer stays small."""
    start = time.process_time()
    answer = found(text, html=text)

    assert time.process_time() - start < 5
    assert len(answer.links) <= LINK_LIMIT
    assert len(answer.codes) <= CODE_LIMIT


def test_what_lies_far_behind_is_not_looked_at() -> None:
    """The limit is where it is said to be."""
    assert found(" " * TEXT_LIMIT + "http://a.test").links == ()
