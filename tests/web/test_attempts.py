"""How often an address may fail."""

from __future__ import annotations

import pytest

from bindpost.server.web import attempts
from bindpost.server.web.attempts import BURST, PAUSE, Attempts, address_of


class Clock:
    """Gives the time that it is set to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give it."""
        return self.now


def test_some_failures_are_free_and_then_one_comes_back_at_a_time() -> None:
    """Ten may fail at once; then each pause allows one more."""
    clock = Clock()
    counted = Attempts(clock)
    for _ in range(BURST):
        assert counted.wait("a") == 0
        counted.fail("a")

    assert counted.wait("a") == PAUSE
    clock.now += PAUSE
    assert counted.wait("a") == 0
    counted.fail("a")
    assert counted.wait("a") == PAUSE


def test_addresses_are_counted_apart_and_forgotten() -> None:
    """One address's failures are none of another's, and are gone when all are back."""
    clock = Clock()
    counted = Attempts(clock)
    for _ in range(BURST):
        counted.fail("a")
    counted.fail("b")
    assert (counted.wait("a"), counted.wait("b"), len(counted)) == (PAUSE, 0, 2)

    clock.now += BURST * PAUSE
    counted.fail("c")

    assert len(counted) == 1


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many addresses fail, no more are remembered than the bound."""
    monkeypatch.setattr(attempts, "ADDRESSES", 100)
    counted = Attempts(Clock())
    for number in range(1000):
        counted.fail(str(number))

    assert len(counted) == 100


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (None, "unix"),
        (("192.0.2.1", 5), "192.0.2.1"),
        (("2001:db8:1:2:3:4:5:6", 5), "2001:db8:1:2::/64"),
        (("::ffff:192.0.2.1", 5), "192.0.2.1"),
        (("fe80::1%eth0", 5), "fe80::/64"),
        (("testclient", 5), "testclient"),
    ],
)
def test_what_is_counted_is_the_address(client: tuple[str, int] | None, address: str) -> None:
    """An IPv6 client has a whole /64 to choose from, so that is counted as one."""
    assert address_of(client) == address
