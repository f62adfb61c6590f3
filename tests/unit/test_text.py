"""Octets into text, in pieces where there are many."""

from __future__ import annotations

import pytest

from bindpost.server.message.headers import decode
from bindpost.server.message.text import MISFIT_LIMIT, decode_charset

WORDS = "Größe, ελληνικά, кириллица, 漢字かな交じり文, 한글, emoji 🦜\n"


@pytest.mark.parametrize(
    "charset",
    [
        *("utf-8", "utf-7", "utf-16", "utf-16le", "utf-32be", "gb18030", "big5", "euc-jp"),
        *("iso-2022-jp", "iso-2022-kr", "shift_jis", "euc-kr", "hz", "koi8-r", "iso-8859-7"),
    ],
)
def test_a_long_text_reads_as_a_short_one(charset: str) -> None:
    """Where a long text is cut into pieces, no character is lost, whatever state a codec has."""
    octets = (WORDS * 12_000).encode(charset, "ignore")

    expected = octets.decode({"shift_jis": "cp932", "euc-kr": "cp949"}.get(charset, charset))
    assert len(octets) > 256 * 1024
    assert decode_charset(octets, charset) == expected


@pytest.mark.parametrize("charset", ["", "us-ascii"])
def test_a_long_text_without_charset_is_utf_8_or_what_windows_sends(charset: str) -> None:
    """One byte that is no UTF-8 decides for the whole text, as in a short one."""
    text = "Grüße\n" * 100_000

    assert decode_charset(text.encode(), charset) == text
    assert decode_charset(text.encode("cp1252"), charset) == text


def test_after_too_many_misfits_the_charset_is_given_up() -> None:
    """What follows is read as UTF-8; what came before stays as it was."""
    wrong = b"\x81" * (MISFIT_LIMIT + 300_000)

    text = decode_charset(wrong + "Grüße".encode(), "windows-1252")

    assert text.endswith("Grüße")
    assert len(text) == len(wrong) + len("Grüße")


@pytest.mark.parametrize("charset", ["base64", "zlib", "rot13", "no-such-charset", "\xff"])
def test_what_is_no_charset_is_utf_8_however_long(charset: str) -> None:
    """Python's codecs that make something else than text of bytes are never asked."""
    octets = "Grüße\n".encode() * 100_000

    assert decode_charset(octets, charset) == decode(octets, "utf-8")
