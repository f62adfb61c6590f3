"""Who takes too long is ended, whatever it does; who doesn't is left alone."""

from __future__ import annotations

import asyncio

import pytest

from bindpost.config.model import Limits
from bindpost.server.smtp.overtime import Overtime

SHORT = 0.02
NEVER = 0.0


class Session:
    """A session that notes its end: a fake."""

    def __init__(self, transaction: object | None = None) -> None:
        self.open_transaction = transaction
        self.told: list[str] = []
        self.was_told = asyncio.Event()

    def end_transaction_now(self) -> None:
        """Note the end."""
        self.told.append("transaction")
        self.open_transaction = None
        self.was_told.set()

    def end_session_soon(self) -> None:
        """Note the end."""
        self.told.append("session")
        self.was_told.set()


def _limits(*, session: float = NEVER, transaction: float = NEVER) -> Limits:
    return Limits(session_time=session, transaction_time=transaction)


async def test_a_long_transaction_is_ended() -> None:
    """It is ended at once, and its session has not taken too long."""
    busy, idle = Session(object()), Session()
    Overtime(_limits(transaction=SHORT, session=60)).watch(lambda: [busy, idle])

    await busy.was_told.wait()

    assert (busy.told, idle.told) == (["transaction"], [])


async def test_each_transaction_has_its_own_time() -> None:
    """Time begins anew with another one, however many there are."""
    session, other = Session(object()), Session(object())
    kept = []

    def sessions() -> list[Session]:
        session.open_transaction = object()
        kept.append(session.open_transaction)  # so that none gets the address of another
        return [session, other]

    Overtime(_limits(transaction=SHORT)).watch(sessions)
    await other.was_told.wait()

    assert session.told == []


async def test_a_long_session_is_told_once() -> None:
    """It may come to the end of its transaction, which has a limit of its own."""
    first, second = Session(object()), Session()
    live = [first]
    Overtime(_limits(session=SHORT)).watch(lambda: live)

    await first.was_told.wait()
    live.append(second)
    await second.was_told.wait()

    assert (first.told, second.told) == (["session"], ["session"])


@pytest.mark.parametrize("limits", [_limits(), _limits(session=60)], ids=["none", "long"])
async def test_nobody_is_told_who_need_not_be(limits: Limits) -> None:
    """Without a limit nothing is looked at."""
    session, other = Session(object()), Session()
    Overtime(limits).watch(lambda: [session])

    Overtime(_limits(session=SHORT)).watch(lambda: [other])
    await other.was_told.wait()

    assert session.told == []


async def test_it_rests_when_nobody_is_there() -> None:
    """No timer is left; with the next session it begins again."""
    session = Session()
    overtime = Overtime(_limits(session=SHORT))
    looked = asyncio.Event()

    def nobody() -> list[Session]:
        looked.set()
        return []

    overtime.watch(nobody)
    await looked.wait()
    overtime.watch(lambda: [session])
    await session.was_told.wait()

    assert session.told == ["session"]
