"""Endpoints as users write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.config.endpoint import Endpoint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:1025", Endpoint(host="127.0.0.1", port=1025)),
        ("localhost:0", Endpoint(host="localhost", port=0)),
        ("[::]:25", Endpoint(host="::", port=25)),
        ("[fe80::1%eth0]:65535", Endpoint(host="fe80::1%eth0", port=65535)),
        ("unix:/run/mail.sock", Endpoint(path="/run/mail.sock")),
        ("unix:relative", Endpoint(path="relative")),
    ],
)
def test_the_forms_are_read_and_written(text: str, expected: Endpoint) -> None:
    """Each form is read, and written as it was."""
    assert Endpoint.parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not HOST:PORT"),
        ("localhost", "is not HOST:PORT"),
        (":25", "is not HOST:PORT"),
        ("[]:25", "is not HOST:PORT"),
        ("::1:25", "in brackets"),
        ("[::1:25", "in brackets"),
        ("localhost:smtp", "from 0 to 65535"),
        ("localhost:65536", "from 0 to 65535"),
        ("localhost:-1", "from 0 to 65535"),
        ("localhost:٢٥", "from 0 to 65535"),
        ("localhost:", "from 0 to 65535"),
        ("unix:", "names no path"),
    ],
)
def test_what_is_none_is_refused_with_the_forms(text: str, complaint: str) -> None:
    """A text that is no endpoint is refused, and told how it should look."""
    with pytest.raises(ValueError, match=complaint):
        Endpoint.parse(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but ValueError comes out of any text, and what is read is written back."""
    try:
        endpoint = Endpoint.parse(text)
    except ValueError:
        return
    assert Endpoint.parse(str(endpoint)) == endpoint


def test_another_port() -> None:
    """An endpoint can be had at another port; the host stays."""
    assert str(Endpoint.parse("[::1]:0").with_port(25)) == "[::1]:25"


def test_is_unix() -> None:
    """Unix sockets are told from the rest."""
    assert Endpoint.parse("unix:/s").is_unix
    assert not Endpoint.parse("127.0.0.1:0").is_unix


@pytest.mark.parametrize(
    ("text", "dialled"),
    [
        ("0.0.0.0:25", "127.0.0.1:25"),
        ("[::]:25", "[::1]:25"),
        ("127.0.0.2:25", "127.0.0.2:25"),
        ("[fe80::1%eth0]:25", "[fe80::1%eth0]:25"),
        ("localhost:25", "localhost:25"),
        ("unix:/s", "unix:/s"),
    ],
)
def test_a_wildcard_is_reached_by_loopback(text: str, dialled: str) -> None:
    """Clients of this machine dial loopback for a wildcard, anything else as it is."""
    endpoint = Endpoint.parse(text)

    assert str(endpoint.reachable()) == dialled
    assert endpoint.is_wildcard == (text != dialled)
