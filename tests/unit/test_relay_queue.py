"""The queue: durable, in order of time, each job taken by one, and not growing for ever."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bindpost.errors import StoreError
from bindpost.server.durable.file import RELAY_FILE
from bindpost.server.message.job import Addressee, Job
from bindpost.server.message.model import Recipient, utc_now
from bindpost.server.relay import tables
from bindpost.server.relay.queue import Queue

HORIZON = 7200.0
BOTH = (Recipient("a@x", {"NOTIFY": "NEVER", "ORCPT": None}), Recipient("b@x"))


@pytest.fixture(params=["file", "memory"])
async def queue(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Queue]:
    """Give a queue of each kind."""
    queue = await Queue.open(tmp_path if request.param == "file" else ":memory:")
    yield queue
    await queue.close()


async def take(queue: Queue) -> Job:
    """Take a job that must be due."""
    job = await queue.take(horizon=HORIZON)
    assert isinstance(job, Job)
    return job


async def test_a_job_is_as_it_was_added(queue: Queue) -> None:
    """Recipients and their parameters are kept in order; nothing was tried yet."""
    job = await queue.add("id1", "release", BOTH)

    assert (job.message_id, job.kind, job.state, job.attempts) == ("id1", "release", "queued", 0)
    assert job.due == job.created
    assert job.recipients == (
        Addressee(address="a@x", parameters={"NOTIFY": "NEVER", "ORCPT": None}),
        Addressee(address="b@x"),
    )
    assert job.waiting == (0, 1)


async def test_a_job_is_taken_once(queue: Queue) -> None:
    """A job that is being sent is nobody else's; its attempt is counted."""
    added = await queue.add("id1", "release", BOTH)
    taken = await take(queue)

    assert (taken.id, taken.state, taken.attempts) == (added.id, "sending", 1)
    assert await queue.take(horizon=HORIZON) is None


async def test_jobs_are_taken_in_order(queue: Queue) -> None:
    """The job that has been due for longest comes first."""
    for name in ("id1", "id2", "id3"):
        await queue.add(name, "automatic", BOTH)

    assert [(await take(queue)).message_id for _ in range(3)] == ["id1", "id2", "id3"]


async def test_a_job_that_waits_is_not_taken(queue: Queue) -> None:
    """Until a job is due, the seconds that are left are told."""
    await queue.add("id1", "release", BOTH)
    job = await take(queue)
    due = utc_now() + timedelta(seconds=100)
    later = {1: Addressee(address="b@x", state="queued", code=450, reply="later")}
    sent = {0: Addressee(address="a@x", state="sent", code=250, reply="ok")}
    settled = await queue.settle(job, sent | later, error="b@x: later", due=due)
    left = await queue.take(horizon=HORIZON)

    assert isinstance(left, float)
    assert 90 < left <= 100
    assert (settled.state, settled.due, settled.error) == ("queued", due, "b@x: later")
    assert settled.waiting == (1,)
    assert settled.recipients[1].reply == "later"


async def test_a_clock_that_was_set_back_holds_nothing_up(queue: Queue) -> None:
    """A job that would be due in the far future is due now."""
    await queue.add("id1", "release", BOTH)
    job = await take(queue)
    await queue.settle(job, {}, error="", due=utc_now() + timedelta(days=365))

    assert (await take(queue)).attempts == 2


@pytest.mark.parametrize(
    ("states", "final"), [(("sent", "sent"), "sent"), (("sent", "failed"), "failed")]
)
async def test_a_job_is_done(queue: Queue, states: tuple[str, str], final: str) -> None:
    """A job is sent when all recipients are served, and failed when one isn't."""
    await queue.add("id1", "release", BOTH)
    job = await take(queue)
    changed = {
        place: Addressee(address="x", state="sent" if state == "sent" else "failed")
        for place, state in enumerate(states)
    }
    done = await queue.settle(job, changed, error="", due=None)

    assert (done.state, done.due, done.waiting) == (final, None, ())
    assert await queue.take(horizon=HORIZON) is None


async def test_the_jobs_of_a_message_are_told(queue: Queue) -> None:
    """A message's jobs come newest first, no more than asked for, and no others."""
    added = [await queue.add("id1", "release", BOTH) for _ in range(3)]
    await queue.add("id2", "release", BOTH)

    found = await queue.of_message("id1", limit=2)

    assert [job.id for job in found] == [added[2].id, added[1].id]


async def test_old_jobs_are_forgotten() -> None:
    """Of the jobs that are done only the latest are remembered; those that wait all are."""
    queue = await Queue.open(":memory:", kept=2)
    for name in ("id1", "id2", "id3", "id4"):
        await queue.add(name, "release", BOTH)
    for _ in range(3):
        job = await take(queue)
        done = {place: Addressee(address="x", state="sent") for place in job.waiting}
        await queue.settle(job, done, error="", due=None)

    known = [bool(await queue.of_message(f"id{n}", limit=1)) for n in (1, 2, 3, 4)]
    assert known == [False, True, True, True]
    await queue.close()


async def test_the_cursor_is_kept_with_the_job(tmp_path: Path) -> None:
    """Cursor and job are noted in one: after a restart both are there."""
    queue = await Queue.open(tmp_path)
    assert await queue.cursor() is None
    await queue.add("id1", "automatic", BOTH, cursor=17)
    await queue.close()

    queue = await Queue.open(tmp_path)
    assert await queue.cursor() == 17
    assert (await take(queue)).message_id == "id1"
    await queue.set_cursor(None)
    assert await queue.cursor() is None
    await queue.close()


async def test_the_cursor_advances_only(queue: Queue) -> None:
    """An advance never takes back what a job has noted, and begins nothing."""
    await queue.advance(5)
    assert await queue.cursor() is None
    await queue.add("id1", "automatic", BOTH, cursor=7)
    await queue.advance(6)
    assert await queue.cursor() == 7
    await queue.advance(8)
    assert await queue.cursor() == 8


async def test_a_failed_change_changes_nothing(queue: Queue) -> None:
    """When a job can't be written its cursor isn't either."""
    await queue.set_cursor(3)

    with pytest.raises(StoreError):
        await queue.add("id1", "automatic", [Recipient("\ud800@x")], cursor=4)

    assert await queue.cursor() == 3
    assert await queue.take(horizon=HORIZON) is None


async def test_what_was_being_sent_is_queued_again(tmp_path: Path) -> None:
    """A process that ends in the middle of an attempt leaves the job to the next one."""
    queue = await Queue.open(tmp_path)
    await queue.add("id1", "release", BOTH)
    await take(queue)
    await queue.close()

    queue = await Queue.open(tmp_path)
    assert queue.waiting_at_start == 1
    assert (await take(queue)).attempts == 2
    await queue.close()


async def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    """The file has addresses in it, so it has the mode of the mail."""
    queue = await Queue.open(tmp_path)
    await queue.close()

    assert (tmp_path / RELAY_FILE).stat().st_mode & 0o777 == 0o600


async def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """A file of a newer bindpost is left alone, and told with what to do."""
    database = sqlite3.connect(tmp_path / RELAY_FILE)
    database.execute(f"PRAGMA user_version = {tables.VERSION + 1}")
    database.close()

    with pytest.raises(StoreError, match="newer bindpost"):
        await Queue.open(tmp_path)


async def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """What is no database is told by its name."""
    (tmp_path / RELAY_FILE).write_text("no database at all, but long enough to be looked at")

    with pytest.raises(StoreError, match=r"relay\.db"):
        await Queue.open(tmp_path)
