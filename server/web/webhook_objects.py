"""The JSON objects of webhooks: each as it is now, and its newest deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from .responses import Moment

State = Literal["queued", "sending", "delivered", "given_up"]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """
    Something that a webhook is to be told, and what became of it.

    `id` is the request's webhook-id, the same at each attempt. `due` is when the next attempt
    comes, None when there is none. `status` and `error` are what the last attempt met with.
    """

    id: str
    type: str
    state: State
    attempts: int
    created: Moment
    due: Moment | None
    status: int | None
    error: str


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """
    A webhook as it is now.

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


class Webhooks(msgspec.Struct, frozen=True):
    """Every webhook."""

    webhooks: Sequence[Webhook]
