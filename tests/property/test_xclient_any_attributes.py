"""Attributes of XCLIENT and XFORWARD: any text is read or refused, and nothing read does harm."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.server.smtp.origin import (
    UNKNOWN,
    VALUE_LIMIT,
    XCLIENT,
    XFORWARD,
    Attributes,
    BadAttributeError,
    UnknownAttributeError,
    read_attributes,
)

KINDS = pytest.mark.parametrize("known", [XCLIENT, XFORWARD], ids=["XCLIENT", "XFORWARD"])
names = st.sampled_from([*XCLIENT, *XFORWARD, "X"]) | st.text(max_size=5)
values = st.text(max_size=20) | st.sampled_from(["+0D+0A", "+", "[unavailable]", "192.0.2.1", "25"])
arguments = st.lists(st.tuples(names, values).map("=".join)).map(" ".join) | st.text()


def xtext(text: str) -> str:
    """Write a text as RFC 3461, 4 has it."""
    return "".join(
        chr(octet) if 33 <= octet <= 126 and octet not in b"+=" else f"+{octet:02X}"
        for octet in text.encode()
    )


def _read(argument: str, known: Attributes) -> Mapping[str, str]:
    try:
        return read_attributes(argument, known)
    except (UnknownAttributeError, BadAttributeError):
        return {}


@KINDS
@given(argument=arguments)
def test_what_is_read_is_known_and_printable(known: Attributes, argument: str) -> None:
    """No other error, no other name, no control character."""
    told = _read(argument, known)

    assert told.keys() <= known.keys()
    assert all(value and value.isprintable() for value in told.values())


@KINDS
@given(value=st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20))
def test_what_is_written_as_xtext_comes_back(known: Attributes, value: str) -> None:
    """HELO may be any text without control characters; `xtext` is the reading's other half."""
    written = xtext(value)
    if len(written) <= VALUE_LIMIT and value.upper() not in UNKNOWN:
        assert read_attributes(f"helo={written}", known) == {"HELO": value}
