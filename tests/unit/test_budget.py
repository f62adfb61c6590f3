"""The bytes of all messages on their way are bounded, and something always goes on."""

from __future__ import annotations

import pytest

from bindpost.server.smtp.budget import Budget


class Session:
    """A session that notes whether it is held: a fake."""

    def __init__(self) -> None:
        self.is_held = False

    def hold(self) -> None:
        """Receive nothing."""
        self.is_held = True

    def let_go(self) -> None:
        """Receive again."""
        self.is_held = False


@pytest.fixture
def three() -> list[Session]:
    """Give three sessions."""
    return [Session(), Session(), Session()]


def _held(sessions: list[Session]) -> list[bool]:
    return [session.is_held for session in sessions]


def test_below_the_limit_nobody_is_held(three: list[Session]) -> None:
    """As long as there is room all go on."""
    budget = Budget(300)
    for session in three:
        budget.take(session, 100)

    assert _held(three) == [False, False, False]


def test_above_the_limit_only_the_first_goes_on(three: list[Session]) -> None:
    """The others are held, those that begin afterwards too."""
    budget = Budget(100)
    for session, size in zip(three[:2], [60, 60], strict=True):
        budget.take(session, 0)
        budget.take(session, size)
    budget.take(three[2], 0)

    assert _held(three) == [False, True, True]


def test_the_next_goes_on_when_the_first_is_done(three: list[Session]) -> None:
    """Even while it is too much still: else nobody would ever go on."""
    budget = Budget(100)
    for session, size in zip(three, [10, 100, 100], strict=True):
        budget.take(session, 0)
        budget.take(session, size)

    budget.release(three[0])

    assert _held(three) == [False, False, True]


def test_a_message_larger_than_all_goes_through(three: list[Session]) -> None:
    """A message may be larger than the budget."""
    budget = Budget(100)
    budget.take(three[0], 0)
    budget.take(three[0], 100_000)

    assert not three[0].is_held
    budget.release(three[0])
    assert (budget.size, budget.is_full) == (0, False)


def test_all_go_on_below_the_low_mark(three: list[Session]) -> None:
    """Not at the limit itself, where they would be held again at once."""
    budget = Budget(100)
    for session, size in zip(three, [30, 60, 20], strict=True):
        budget.take(session, 0)
        budget.take(session, size)
    assert _held(three) == [False, True, True]

    budget.release(three[0])
    assert (_held(three), budget.is_full) == ([False, False, True], True)
    budget.take(three[1], 50)
    assert (_held(three), budget.is_full) == ([False, False, False], False)


def test_a_message_that_is_dropped_makes_room(three: list[Session]) -> None:
    """One that turned out too large is not in memory any more."""
    budget = Budget(100)
    for session in three:
        budget.take(session, 0)
        budget.take(session, 50)
    assert budget.is_full

    budget.take(three[0], 0)
    budget.take(three[1], 0)

    assert _held(three) == [False, False, False]


def test_releasing_twice_is_harmless(three: list[Session]) -> None:
    """A session without a message has nothing to give back."""
    budget = Budget(100)
    budget.take(three[0], 50)
    budget.release(three[0])
    budget.release(three[0])

    assert budget.size == 0


def test_small_messages_go_on(three: list[Session]) -> None:
    """Large ones whose senders have stopped hold up each other, and nobody else."""
    budget = Budget(1024 * 100)
    for session, size in zip(three, [60_000, 60_000, 99], strict=True):
        budget.take(session, 0)
        budget.take(session, size)
    assert _held(three) == [False, True, False]

    budget.take(three[2], 100)

    assert _held(three) == [False, True, True]


def test_small_messages_have_a_limit_too() -> None:
    """So very many of them are bounded as well; the first always goes on."""
    budget = Budget(1024 * 100)
    sessions = [Session() for _ in range(3000)]
    for session in sessions:
        budget.take(session, 99)

    assert _held(sessions[:2000]) == [False] * 2000
    assert sessions[-1].is_held
    assert budget.size == 3000 * 99  # these have been received already
