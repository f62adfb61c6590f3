"""Counts since the start, and refusals as they come."""

from __future__ import annotations

import asyncio

from bindpost.server.activity import REMEMBERED, Activity, Refusal


async def test_refusals_come_as_they_happen() -> None:
    """A follower gets what is refused after its first step began, in order; others get it too."""
    activity = Activity()
    activity.refuse(Refusal(500, None, "before"))
    followers = [activity.refusals() for _ in range(2)]
    steps = [asyncio.ensure_future(anext(follower)) for follower in followers]
    await asyncio.sleep(0)  # they have begun to wait

    activity.refuse(Refusal(500, "a", "first"))
    activity.refuse(Refusal(400, "b", "second"))

    assert [(await step).line for step in steps] == ["first", "first"]
    assert [(await anext(follower)).line for follower in followers] == ["second", "second"]


async def test_a_slow_follower_misses_the_older_ones() -> None:
    """What a follower does not take in time is forgotten, and it goes on with what is left."""
    activity = Activity()
    follower = activity.refusals()
    step = asyncio.ensure_future(anext(follower))
    await asyncio.sleep(0)
    for number in range(REMEMBERED + 10):
        activity.refuse(Refusal(500, None, str(number)))

    taken = [(await step).line, *[(await anext(follower)).line for _ in range(REMEMBERED - 1)]]

    assert taken == [str(number) for number in range(10, REMEMBERED + 10)]


def test_deleted_messages_are_what_is_missing() -> None:
    """What was there and what came, less what is there, was deleted."""
    activity = Activity()
    activity.begin(5)
    activity.accept(10)
    activity.compose()

    assert activity.deleted(kept=4) == 3
    assert (activity.accepted, activity.accepted_size) == (1, 10)
