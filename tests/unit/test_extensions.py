"""The syntax of BDAT, of xtext and of DSN's parameters, as RFC 3030 and RFC 3461 have it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.server.message import xtext
from bindpost.server.smtp.extensions import Chunk, is_dsn_value, parse_chunk


@pytest.mark.parametrize(
    ("argument", "chunk"),
    {
        "0": Chunk(0, is_last=False),
        "86 LAST": Chunk(86, is_last=True),
        "86   last": Chunk(86, is_last=True),
        "007": Chunk(7, is_last=False),
        "9" * 20: Chunk(int("9" * 20), is_last=False),
        "9" * 21: None,
        "": None,
        "LAST": None,
        "-1": None,
        "+1": None,
        "1.0": None,
        "0x10": None,
        "1 FIRST": None,
        "1 LAST LAST": None,
        "1LAST": None,
        "1\tLAST": None,
        "1 LAST\n": None,
        "٣": None,
        " 1": None,
    }.items(),
)
def test_a_chunk_is_announced_by_its_size(argument: str, chunk: Chunk | None) -> None:
    """A number of at most twenty digits, and perhaps LAST (RFC 3030, 2)."""
    assert parse_chunk(argument) == chunk


@pytest.mark.parametrize(
    ("text", "plain"),
    {
        "": "",
        "QQ314159": "QQ314159",
        "a+2Bb+3Dc+20d": "a+b=c d",
        "+2B2B": "+2B",
        "a+b": None,
        "a+2b": None,
        "a+": None,
        "a=b": None,
        "a b": None,
        "+0D+0A": None,
        "+00": None,
        "+7F": None,
        "+E4": None,
        "ä": None,
    }.items(),
)
def test_xtext_stands_for_printable_ascii(text: str, plain: str | None) -> None:
    """Only `+` and two capital hex digits are more than they look (RFC 3461, 4)."""
    assert xtext.decoded(text) == plain


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_what_is_encoded_comes_back(text: str) -> None:
    """However much of it is encoded without need."""
    sparing = "".join(f"+{ord(one):02X}" if one in "+= " else one for one in text)

    assert xtext.decoded(sparing) == text
    assert xtext.decoded("".join(f"+{ord(one):02X}" for one in text)) == text


@given(st.text(max_size=40) | st.text("+0123456789ABCDEF;ar=", max_size=40))
def test_any_value_is_judged_and_breaks_no_line(value: str) -> None:
    """What passes stands for one line."""
    for keyword in ("ENVID", "ORCPT"):
        if is_dsn_value(keyword, value):
            assert len((xtext.decoded(value) or value).splitlines()) <= 1


@pytest.mark.parametrize(
    ("keyword", "value", "answer"),
    [
        ("ENVID", "x" * 100, True),
        ("ENVID", "x" * 101, False),
        ("ORCPT", "rfc822;" + "x" * 493, True),
        ("ORCPT", "rfc822;" + "x" * 494, False),
        ("ORCPT", "x-local;a", True),
        ("ORCPT", "utf-8;ä@b", True),
        ("ORCPT", "UTF-8;\\x{e4}@b", True),
        ("ORCPT", "rfc822;ä@b", False),
        ("ORCPT", "utf-8;", False),
        ("ORCPT", "utf-8;a\x85b", False),
        ("ORCPT", ";a", False),
        ("RET", "anything", True),
        ("ENVID", None, True),
    ],
)
def test_dsn_values_are_judged_in_full(keyword: str, value: str | None, answer: bool) -> None:
    """By their length, their encoding and their address type; absence is judged elsewhere."""
    assert is_dsn_value(keyword, value) is answer
