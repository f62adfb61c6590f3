"""The bytes of a message on their way: dots doubled where a line begins, nothing else touched."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.server.relay.dialog import has_ambiguous_dot, stuffed
from bindpost.server.relay.trouble import LONGEST_TEXT, readable

RAW = st.lists(st.sampled_from([b"\r", b"\n", b".", b"x", b"\r\n", b"\r\n."])).map(b"".join)


@given(raw=RAW, size=st.integers(2, 9))
def test_unstuffing_gives_the_bytes_back(raw: bytes, size: int) -> None:
    """A strict server, which takes a dot away behind CRLF only, gets what was sent."""
    sent = b"".join(stuffed(raw, size))

    assert re.sub(rb"(\A|\r\n)\.", rb"\1", sent) == raw
    assert not re.search(rb"(\A|\r\n)\.(?!\.)", sent)


@given(raw=RAW, size=st.integers(2, 9))
def test_a_dot_that_is_ambiguous_is_found(raw: bytes, size: int) -> None:
    """A dot behind a bare CR or LF is found wherever the pieces are cut."""
    bare = re.search(rb"(?<!\r)\n\.|\r\.", raw) is not None

    assert has_ambiguous_dot(raw, size) is bare


@given(raw=RAW, size=st.integers(2, 9))
def test_no_lenient_server_sees_an_end(raw: bytes, size: int) -> None:
    """In what is sent, nothing is the end of a message to a server that takes a bare CR or LF."""
    if not has_ambiguous_dot(raw, size):
        sent = b"\r\n" + b"".join(stuffed(raw, size))
        assert not re.search(rb"[\r\n]\.[\r\n]", sent)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"5.1.1 no such user", "5.1.1 no such user"),
        (b"two\nlines", "two lines"),
        (b"\x1b[31mred\x07", "[31mred"),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        ("a\u202eb".encode(), "a b"),
        (b"x" * 10_000, "x" * LONGEST_TEXT),
    ],
)
def test_what_a_server_said_is_harmless(said: bytes, shown: str) -> None:
    """A reply is kept as one line of text without controls, and not longer than it should be."""
    assert readable(said) == shown
