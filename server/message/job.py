"""Job: a message on its way to the server, and what became of each of its recipients."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

Kind = Literal["automatic", "release"]
State = Literal["queued", "sending", "sent", "failed"]
Outcome = Literal["queued", "sent", "failed"]


class Addressee(msgspec.Struct, frozen=True, kw_only=True):
    """
    One recipient of a job.

    `parameters` are those of RCPT. `code` and `reply` are the last that the server said of this
    recipient; without a code, `reply` says what went wrong before it could say anything.
    """

    address: str
    parameters: Mapping[str, str | None] = {}
    state: Outcome = "queued"
    code: int | None = None
    reply: str = ""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """
    A message that was relayed by itself, or that somebody released.

    It is queued or being sent as long as one recipient waits; then it is sent, or failed if one
    recipient or more could not be served. `due` is when the next attempt comes, `error` what the
    last attempt met with, empty if nothing.
    """

    id: int
    message_id: str
    kind: Kind
    state: State
    attempts: int
    created: datetime
    due: datetime | None
    error: str
    recipients: tuple[Addressee, ...]

    @property
    def waiting(self) -> tuple[int, ...]:
        """The places, in `recipients`, of those that wait."""
        return tuple(i for i, one in enumerate(self.recipients) if one.state == "queued")
