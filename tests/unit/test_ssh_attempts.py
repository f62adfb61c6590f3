"""The attempts to bind a lost port again: their pauses, what is told, when they end."""

from __future__ import annotations

import pytest

from bindpost.proxy.ssh.attempts import Attempts
from bindpost.proxy.ssh.settings import Timing

TIMING = Timing(pauses=(1.0, 2.0, 4.0), slow=10.0, held=60.0)


@pytest.fixture
def attempts() -> Attempts:
    """Attempts after a loss."""
    made = Attempts(TIMING)
    made.lost(after=100.0)
    return made


def pauses(attempts: Attempts, count: int) -> list[float]:
    """Give the next pauses."""
    return [attempts.pause() for _ in range(count)]


def test_pauses_grow_and_stay(attempts: Attempts) -> None:
    """Each attempt waits longer than the one before, the last pause is repeated."""
    assert pauses(attempts, 5) == [1.0, 2.0, 4.0, 4.0, 4.0]


def test_the_default_pauses() -> None:
    """The first attempt comes at once, as far as a person can tell; later ones every 5 s."""
    assert pauses(Attempts(Timing()), 10) == [0.002, 0.005, 0.02, 0.1, 0.2, 0.5, 1, 2, 5, 5]


def test_a_port_that_was_bound_for_long_begins_anew(attempts: Attempts) -> None:
    """A loss after a good while is like the first."""
    pauses(attempts, 3)
    attempts.lost(after=10.0)

    assert attempts.pause() == 1.0


def test_a_port_that_is_lost_at_once_goes_on(attempts: Attempts) -> None:
    """A path that works for a moment only is not tried without a pause for ever."""
    pauses(attempts, 2)
    attempts.lost(after=9.9)

    assert attempts.pause() == 4.0


def test_a_refusal_is_retried_slowly(attempts: Attempts) -> None:
    """What a person has to cure is tried slowly, until something else is the matter."""
    attempts.failed("permission denied", refused=True)
    slow = attempts.pause()
    attempts.failed("connection refused", refused=False)

    assert (slow, attempts.pause()) == (10.0, 2.0)


def test_a_cause_is_told_once(attempts: Attempts) -> None:
    """A failure is news when it is another than the last one, or the first after a loss."""
    news = [attempts.failed(error, refused=False) for error in "aabba"]
    attempts.lost(after=0.0)

    assert news == [True, False, True, False, True]
    assert attempts.failed("a", refused=False)


def test_a_taken_port_has_its_time(attempts: Attempts) -> None:
    """It counts from the first time that the port was found taken after a loss."""
    assert [attempts.taken(now) for now in (500.0, 559.9, 560.0)] == [False, False, True]
    attempts.lost(after=100.0)
    assert not attempts.taken(561.0)
