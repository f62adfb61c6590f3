"""Delivery: something that a webhook is to be told, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

State = Literal["queued", "sending", "delivered", "given_up"]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """
    A delivery, as the API tells it.

    `id` is the request's webhook-id, the same at each attempt. `due` is when the next attempt
    comes, None when there is none. `status` and `error` are what the last attempt met with.
    """

    id: str
    type: str
    state: State
    attempts: int
    created: datetime
    due: datetime | None
    status: int | None
    error: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that is being made: its place in the queue, and the request's body."""

    number: int
    delivery: Delivery
    body: bytes


class HookState(msgspec.Struct, frozen=True, kw_only=True):
    """
    A webhook as it is now, as the API tells it.

    `waiting` deliveries are queued, `delivered` and `given_up` ones are done, counted since the
    webhook was first there. `target` is its URL without the path. `deliveries` are the newest.
    """

    name: str
    target: str
    types: tuple[str, ...]
    signed: bool
    waiting: int
    delivered: int
    given_up: int
    deliveries: tuple[Delivery, ...]
