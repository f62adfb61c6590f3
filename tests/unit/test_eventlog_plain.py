"""Plain data: whatever is logged becomes something that can be shown anywhere."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.config.endpoint import Endpoint
from bindpost.server.eventlog.plain import (
    MAX_ITEMS,
    MAX_KEY,
    MAX_TEXT,
    plain,
    plain_fields,
    plain_lines,
    plain_text,
)


class Hostile:
    """A value whose every rendering fails."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class Word(str):
    """A text that shows itself as something else."""

    def __str__(self) -> str:
        return "\x1b[2J"


class Colour(enum.StrEnum):
    """An enumeration of texts."""

    RED = "red"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("Grüße 😀", "Grüße 😀"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\r\nb\tc\0", r"a\x0d\x0ab\x09c\x00"),
        ("\x7f\x85\x9b", r"\x7f\x85\x9b"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\u202eexe.txt", r"\u202eexe.txt"),
        ("\udcff", "\N{REPLACEMENT CHARACTER}"),
        ("\ud83d\ude00", "\N{REPLACEMENT CHARACTER}" * 2),
    ],
)
def test_control_characters_become_escapes(raw: str, shown: str) -> None:
    """Control characters are shown as escapes, lone surrogates replaced, all else kept."""
    assert plain_text(raw) == shown


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("socks5://me:pw@h:1080", "socks5://me:***@h:1080"),
        ("socks5://:pw@h", "socks5://:***@h"),
        ("via ssh://me:p@ss:w@h:22 now", "via ssh://me:***@h:22 now"),
        ("socks5://me:p/w@h", "socks5://me:***@h"),
        ("socks5://me:1234@h", "socks5://me:***@h"),
        ("a http+x://u:p@h, b ftp://v:q@i", "a http+x://u:***@h, b ftp://v:***@i"),
        ("ssh://me@h:22", "ssh://me@h:22"),
        ("http://h:8025/view/a@b", "http://h:8025/view/a@b"),
        ("http://h:8025?to=a@b", "http://h:8025?to=a@b"),
        ("from a:b@c", "from a:b@c"),
    ],
)
def test_passwords_in_urls_are_hidden(raw: str, shown: str) -> None:
    """A password in a URL, wherever it stands in a text, is shown as ***; ports and paths stay."""
    assert plain_text(raw) == shown


def test_a_long_text_loses_its_middle() -> None:
    """Of a text above the limit both ends are kept, and the note says how much is cut."""
    shown = plain_text("a" * MAX_TEXT + "b" * MAX_TEXT)

    half = MAX_TEXT // 2
    assert shown == f"{'a' * half} [{MAX_TEXT} characters cut] {'b' * half}"


@pytest.mark.parametrize("before", range(MAX_TEXT // 2 - 60, MAX_TEXT // 2 + 1, 5))
def test_a_cut_through_a_url_does_not_bare_its_password(before: int) -> None:
    """A password is hidden wherever the cut of a long text goes through its URL."""
    url = "socks5://user:hunter2hunter2hunter2@proxy.example:1080"

    for text in (" " * before + url + " " * MAX_TEXT, " " * MAX_TEXT + url + " " * before):
        assert "unter2" not in plain_text(text)


def test_text_of_several_lines_keeps_its_line_breaks() -> None:
    """A traceback keeps its lines; what is hostile in one is escaped and hidden all the same."""
    assert plain_lines("one\ntwo\x1b\r\nsocks5://u:p@h") == "one\ntwo\\x1b\\x0d\nsocks5://u:***@h"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        (math.inf, "inf"),
        (math.nan, "nan"),
        (2**63 - 1, 2**63 - 1),
        (2**63, "0x8000000000000000"),
        (-(2**64), "-0x10000000000000000"),
        (b"caf\xc3\xa9 \xff\x00", r"café \xff\x00"),
        (bytearray(b"x"), "x"),
        (memoryview(b"y"), "y"),
        (Colour.RED, "red"),
        (Word("word"), "word"),
        (Endpoint("127.0.0.1", 25), "127.0.0.1:25"),
        (Path("/a/b"), "/a/b"),
        (ValueError("no\nway"), r"ValueError: no\x0away"),
        ([1, "\x1b", (2, None)], [1, r"\x1b", [2, None]]),
        ({3, 1, 2}, [1, 2, 3]),
        ({"a": {b"\x00": [1]}}, {"a": {r"\x00": [1]}}),
        (OrderedDict(a=1), {"a": 1}),
    ],
)
def test_values_become_data(value: object, expected: object) -> None:
    """Each kind of value has one form as data."""
    assert plain(value) == expected


@pytest.mark.parametrize("value", [Hostile(), [Hostile()], {Hostile()}, {"a": Hostile()}])
def test_a_value_that_cannot_be_shown_is_named(value: object) -> None:
    """A value whose own methods fail costs nothing but itself."""
    assert "that cannot be shown" in msgspec.json.encode(plain(value)).decode()


def test_nesting_is_bounded() -> None:
    """A structure that contains itself ends after a few levels."""
    knot: list[object] = [1]
    knot.append(knot)

    assert plain(knot) == [1, [1, [1, "<2 items>"]]]


def test_collections_are_bounded() -> None:
    """Of a large collection the first items are kept, and the rest counted."""
    listed = plain(list(range(1000)))
    mapped = plain_fields({str(n): n for n in range(1000)}.items())

    assert isinstance(listed, list)
    assert listed[-2:] == [MAX_ITEMS - 1, f"... {1000 - MAX_ITEMS} more"]
    assert mapped["..."] == f"{1000 - MAX_ITEMS} more"
    assert len(mapped) == MAX_ITEMS + 1


def test_names_are_bounded_and_escaped() -> None:
    """A field's name can be as hostile as its value."""
    (name,) = plain_fields({"\x1b" + "n" * 1000: 1}.items())

    assert name.startswith(r"\x1bnnn")
    assert len(name) == MAX_KEY


@pytest.mark.parametrize(
    "name", ["password", "proxy_password", "Passwd", "client_secret", "TOKEN", "api_token"]
)
def test_secret_fields_are_masked(name: str) -> None:
    """A field named password, secret or token is masked at any depth, whatever it holds."""
    fields = {name: b"pw", "inner": [{name: ["pw"]}], "other": 1}

    assert plain_fields(fields.items()) == {name: "***", "inner": [{name: "***"}], "other": 1}


def test_an_absent_secret_stays_absent() -> None:
    """That there is no password is no secret."""
    assert plain_fields({"password": None}.items()) == {"password": None}


@given(st.text())
def test_no_text_keeps_a_control_character(text: str) -> None:
    """Whatever the text, what is shown is free of control characters and is valid UTF-8."""
    shown = plain_text(text)

    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)
    assert shown.encode("utf-8").decode("utf-8") == shown


def test_hostile_text_takes_time_in_proportion() -> None:
    """A long text made to look like the beginnings of URLs is done with at once."""
    text = "a://b:" * 200_000

    assert plain_text(text).endswith("a://b:" * 3)
