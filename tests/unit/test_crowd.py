"""Who comes too often, or too many times at once, and who is never counted."""

from __future__ import annotations

import itertools

import pytest

from bindpost.config.model import Limits
from bindpost.errors import ConfigError
from bindpost.server.smtp.crowd import MINUTE, Crowd

CROWDED = "too many sessions of its address"
HASTY = "too many connections of its address in a minute"
FEW = Limits(sessions_per_address=2, connections_per_minute=0)
RARE = Limits(sessions_per_address=0, connections_per_minute=2)


def test_an_address_has_so_many_sessions_at_once() -> None:
    """The one above the limit has no room until one has left; another address has."""
    crowd = Crowd(FEW)

    assert [crowd.enter("192.0.2.1") for _ in range(3)] == ["", "", CROWDED]
    assert crowd.enter("192.0.2.2") == ""
    for _ in range(2):
        crowd.leave("192.0.2.1")
    assert crowd.enter("192.0.2.1") == ""


def test_an_address_comes_so_often_in_a_minute() -> None:
    """Leaving does not help, but the next minute does."""
    time = 1000.0
    crowd = Crowd(RARE, now=lambda: time)

    for expected in ("", "", HASTY):
        assert crowd.enter("192.0.2.1") == expected
        crowd.leave("192.0.2.1")
    time += MINUTE

    assert crowd.enter("192.0.2.1") == ""


@pytest.mark.parametrize(
    "host", [None, "localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:10.1.2.3", "172.17.0.1"]
)
def test_who_is_exempt_is_not_counted(host: str | None) -> None:
    """Nor is who has no address: a Unix socket's client."""
    crowd = Crowd(Limits(sessions_per_address=1, connections_per_minute=1))

    assert [crowd.enter(host) for _ in range(100)] == [""] * 100
    crowd.leave(host)


def test_nobody_need_be_exempt() -> None:
    """An empty list counts loopback, too."""
    crowd = Crowd(Limits(sessions_per_address=1, exempt=()))

    assert [crowd.enter("127.0.0.1") for _ in range(2)] == ["", CROWDED]


def test_a_64_of_ipv6_is_one_address() -> None:
    """Its owner has all addresses of it."""
    crowd = Crowd(FEW)

    assert [crowd.enter(f"2001:db8::{number}") for number in range(3)] == ["", "", CROWDED]
    assert crowd.enter("2001:db8:0:1::1") == ""


def test_what_is_remembered_is_bounded() -> None:
    """Of many addresses that have come and gone in their minutes nothing is left."""
    minutes = itertools.count(step=MINUTE)
    crowd = Crowd(Limits(), now=lambda: float(next(minutes)))

    for number in range(10_000):
        host = f"203.0.{number // 256}.{number % 256}"
        crowd.enter(host)
        crowd.leave(host)

    assert len(crowd) <= 1


def test_a_network_that_is_none_is_named() -> None:
    """The error says which, and of which setting."""
    with pytest.raises(ConfigError, match=r"limits\.exempt.*10\.0\.0\.1/8"):
        Crowd(Limits(exempt=("10.0.0.1/8",)))
