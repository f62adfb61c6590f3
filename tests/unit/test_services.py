"""Endpoints whose port is the name of a service."""

from __future__ import annotations

import pytest

from bindpost.config import services
from bindpost.config.endpoint import Endpoint
from bindpost.errors import ServiceUnknownError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:smtp", Endpoint("127.0.0.1", 25)),
        ("[::1]:SMTP", Endpoint("::1", 25)),
        ("localhost:2525", Endpoint("localhost", 2525)),
        ("unix:/run/smtp:smtp", Endpoint(path="/run/smtp:smtp")),
    ],
)
def test_the_services_file_gives_the_port(text: str, expected: Endpoint) -> None:
    """A name stands for the number that the services file has; a number for itself."""
    services.check(text)

    assert services.look_up(text) == expected


def test_a_name_that_is_not_there() -> None:
    """A service without a line is 11004, and the error says what to do (KB Q268643)."""
    services.check("127.0.0.1:no-such-name")

    with pytest.raises(ServiceUnknownError) as caught:
        services.look_up("127.0.0.1:no-such-name")

    assert caught.value.code == 11004
    assert "/etc/services" in caught.value.hint


@pytest.mark.parametrize("text", ["::abc", "localhost:", "localhost:-1", "localhost:a_b", "smtp"])
def test_what_is_neither_is_refused(text: str) -> None:
    """What is neither a number nor a service's name is an error at load."""
    with pytest.raises(ValueError, match=r"HOST:PORT|brackets|0 to 65535"):
        services.check(text)
