"""What an attempt means: who is served, who waits and how long, what is told."""

from __future__ import annotations

import pytest

from bindpost.config.model import Relay
from bindpost.server.durable.retry import LONGEST_PAUSE, pause_after
from bindpost.server.message.job import Addressee, Job
from bindpost.server.message.model import utc_now
from bindpost.server.relay.delivery import Answer
from bindpost.server.relay.sender import Result
from bindpost.server.relay.trouble import Trouble
from bindpost.server.relay.verdict import judge

SETTINGS = Relay(attempts=3, first_pause=10.0)
SENT = Answer("sent", 250, "ok")
LATER = Answer("queued", 450, "later")
NEVER = Answer("failed", 550, "never")
LOCAL = Answer("failed", None, "no address")


def job(*addressees: Addressee, attempts: int = 1) -> Job:
    """Make a job that is being sent."""
    now = utc_now()
    return Job(
        id=1,
        message_id="id1",
        kind="release",
        state="sending",
        attempts=attempts,
        created=now,
        due=now,
        error="",
        recipients=addressees,
    )


def waiting(count: int) -> list[Addressee]:
    """Make recipients that wait."""
    return [Addressee(address=f"{n}@x", parameters={"NOTIFY": "NEVER"}) for n in range(count)]


def test_all_served_is_done() -> None:
    """When everybody is served there is nothing to wait for and nothing to tell."""
    verdict = judge(job(*waiting(2)), Result((SENT, SENT)), SETTINGS)

    assert (verdict.pause, verdict.hop, verdict.reason) == (None, None, "")
    assert verdict.due(utc_now()) is None
    assert verdict.count("sent") == 2
    assert verdict.changed[0].parameters == {"NOTIFY": "NEVER"}


def test_places_are_those_of_the_job() -> None:
    """An attempt is for those who waited; its answers go to their places."""
    done = Addressee(address="done@x", state="sent", code=250)
    first, second = waiting(2)
    verdict = judge(job(first, done, second), Result((NEVER, SENT)), SETTINGS)

    assert {place: one.state for place, one in verdict.changed.items()} == {0: "failed", 2: "sent"}
    assert verdict.reason == "0@x: 550 never"


def test_one_who_waits_is_tried_again() -> None:
    """As long as one waits there is another attempt; the server's words are told."""
    verdict = judge(job(*waiting(2)), Result((SENT, LATER)), SETTINGS)

    assert verdict.pause is not None
    assert 7.5 <= verdict.pause <= 12.5
    assert (verdict.hop, verdict.reason) == ("server", "1@x: 450 later")
    due = verdict.due(utc_now())
    assert due is not None
    assert due > utc_now()


def test_the_last_attempt_fails_who_waits() -> None:
    """After the last attempt nobody waits; the last words stay."""
    verdict = judge(job(*waiting(1), attempts=3), Result((LATER,)), SETTINGS)

    assert verdict.pause is None
    assert (verdict.changed[0].state, verdict.changed[0].code) == ("failed", 450)


@pytest.mark.parametrize(("permanent", "state"), [(True, "failed"), (False, "queued")])
def test_trouble_is_the_answer_where_there_is_none(permanent: bool, state: str) -> None:
    """Who has no answer of his own has the attempt's trouble for one."""
    trouble = Trouble("proxy", "gone", hint="start it", permanent=permanent)
    verdict = judge(job(*waiting(2)), Result((SENT, None), trouble), SETTINGS)

    assert [one.state for one in verdict.changed.values()] == ["sent", state]
    assert (verdict.changed[1].code, verdict.changed[1].reply) == (None, "gone")
    assert (verdict.hop, verdict.reason, verdict.hint) == ("proxy", "gone", "start it")


def test_what_never_reached_the_server_is_the_messages() -> None:
    """An address that could not be said is no fault of the server's."""
    verdict = judge(job(*waiting(1)), Result((LOCAL,)), SETTINGS)

    assert (verdict.hop, verdict.reason) == ("message", "0@x: no address")


@pytest.mark.parametrize(("attempt", "pause"), [(1, 10.0), (2, 20.0), (5, 160.0), (99, 3600.0)])
def test_pauses_double_up_to_an_hour(attempt: int, pause: float) -> None:
    """Each pause is twice the one before, a quarter more or less, an hour at most."""
    assert LONGEST_PAUSE == 3600.0
    assert all(0.75 * pause <= pause_after(attempt, 10.0) <= 1.25 * pause for _ in range(20))


def test_pauses_have_jitter() -> None:
    """Messages that failed together don't come back together."""
    assert len({pause_after(1, 10.0) for _ in range(20)}) > 1
