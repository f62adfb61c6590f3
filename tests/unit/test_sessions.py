"""The registry of live sessions: its limit, draining and cutting."""

from __future__ import annotations

import asyncio
import gc

from bindpost.server.smtp.sessions import Sessions


class Talk:
    """A session that ends when it is told to: at once, when its transaction is over, or never."""

    def __init__(self, sessions: Sessions, *, busy: bool = False, deaf: bool = False) -> None:
        self.told: list[str] = []
        self.was_told = asyncio.Event()
        self._sessions = sessions
        self._busy = busy
        self._deaf = deaf
        self.admitted = not sessions.enter(self)

    def drain(self) -> None:
        """End unless there is a transaction."""
        self.told.append("drain")
        self.was_told.set()
        if not self._busy and not self._deaf:
            self._sessions.leave(self)

    def cut(self) -> None:
        """End a moment later, as connections do."""
        self.told.append("cut")
        asyncio.get_running_loop().call_soon(self._sessions.leave, self)

    @property
    def open_transaction(self) -> object | None:
        """None: how long it takes is no matter here."""
        return None

    def end_transaction_now(self) -> None:
        """Never asked for."""

    def end_session_soon(self) -> None:
        """Never asked for."""

    def finish(self) -> None:
        """Come to the end of the transaction."""
        self._sessions.leave(self)


def test_sessions_are_counted() -> None:
    """A session counts from its entry until it has left; leaving twice is harmless."""
    sessions = Sessions(10)
    first, second = Talk(sessions), Talk(sessions)
    assert len(sessions) == 2

    sessions.leave(first)
    sessions.leave(first)
    assert len(sessions) == 1

    sessions.leave(second)
    assert len(sessions) == 0


def test_above_the_limit_there_is_no_room() -> None:
    """The session above the limit is not admitted; when there is room again, the next one is."""
    sessions = Sessions(2)
    first, second, third = Talk(sessions), Talk(sessions), Talk(sessions)
    assert [first.admitted, second.admitted, third.admitted] == [True, True, False]

    third.finish()
    second.finish()

    assert Talk(sessions).admitted


async def test_draining_an_empty_registry_returns() -> None:
    """Where there is nobody, nobody is waited for."""
    await Sessions(1).drain(0)


async def test_idle_sessions_end_when_drained() -> None:
    """A session without a transaction ends when it is told to."""
    sessions = Sessions(10)
    talks = [Talk(sessions) for _ in range(3)]

    await sessions.drain(60)

    assert [talk.told for talk in talks] == [["drain"]] * 3
    assert len(sessions) == 0


async def test_a_busy_session_may_finish() -> None:
    """Draining waits for a transaction, and does not cut it within the time given."""
    sessions = Sessions(10)
    talk = Talk(sessions, busy=True)
    draining = asyncio.create_task(sessions.drain(60))
    await talk.was_told.wait()
    assert not draining.done()

    talk.finish()
    await draining

    assert talk.told == ["drain"]


async def test_what_does_not_end_is_cut() -> None:
    """When the time is over the rest is cut, and draining returns when it is gone."""
    sessions = Sessions(10)
    talk = Talk(sessions, deaf=True)

    await sessions.drain(0.01)

    assert talk.told == ["drain", "cut"]
    assert len(sessions) == 0


async def test_who_comes_while_draining_is_drained_too() -> None:
    """A session that was accepted just before the listener closed does not hold up the end."""
    sessions = Sessions(10)
    first = Talk(sessions, busy=True)
    draining = asyncio.create_task(sessions.drain(60))
    await first.was_told.wait()

    late = Talk(sessions)
    first.finish()
    await draining

    assert late.told == ["drain"]


async def test_cut_ends_every_session() -> None:
    """Nobody is asked."""
    sessions = Sessions(10)
    talks = [Talk(sessions), Talk(sessions, busy=True), Talk(sessions, deaf=True)]

    sessions.cut()
    await sessions.drain(60)

    assert [talk.told[0] for talk in talks] == ["cut"] * 3


async def test_what_is_left_to_do_is_done_before_the_end() -> None:
    """Draining returns when the sessions' last work is done."""
    sessions = Sessions(10)
    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(True)

    sessions.afterwards(work())
    await sessions.drain(60)

    assert done == [True]


async def test_work_that_fails_does_not_stop_the_end() -> None:
    """Every piece of the work is awaited; one that raises is reported to the loop, not to drain."""
    sessions = Sessions(10)
    done = []
    reported = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: reported.append(context["exception"])
    )

    async def fail() -> None:
        raise RuntimeError("on purpose")

    async def work() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        done.append(True)

    sessions.afterwards(fail())
    sessions.afterwards(work())
    await sessions.drain(60)
    gc.collect()

    assert done == [True]
    assert [str(error) for error in reported] == ["on purpose"]
