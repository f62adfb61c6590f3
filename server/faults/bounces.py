"""Bounces: notifications of messages that were accepted, on their way after some time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, final

from bindpost.config.fault import Fault, seconds_of
from bindpost.errors import StoreError
from bindpost.log import get_logger

from ..message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    TranscriptLine,
    new_id,
    utc_now,
)
from ..store.store import MessageRow, MessageStore
from .dsn import failed_recipients, notification

_LOG: Final = get_logger("bindpost.faults")
MAX_WAITING: Final = 10_000
"""Bounces on their way at once; more are left out."""
VIA: Final = "bounce"
"""Stands in the session facts of a notification, which came by no session."""


@final
class Bounces:
    """
    The notifications of one app; belongs to one event loop.

    Each is kept in the inbox as a message to the sender, and then given to `send`, the relay's
    release, if there is one. What has not gone out when the app ends is forgotten.
    """

    send: Callable[[MessageRow], Awaitable[object]] | None = None

    def __init__(self, store: MessageStore, *, hostname: str) -> None:
        self._store = store
        self._hostname = hostname
        self._waiting: set[asyncio.Task[None]] = set()

    def plan(self, message: Message, fault: Fault) -> None:
        """Have a message bounce after the time of a rule, if anybody wants to be told."""
        if failed_recipients(message.envelope) and len(self._waiting) < MAX_WAITING:
            task = asyncio.get_running_loop().create_task(self._bounce(message, fault))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def close(self) -> None:
        """Forget what has not gone out."""
        tasks = tuple(self._waiting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _bounce(self, message: Message, fault: Fault) -> None:
        await asyncio.sleep(seconds_of(fault))
        now = utc_now()
        facts = SessionFacts(
            session_id=new_id(),
            started=now,
            listener=message.session.listener,
            via=VIA,
            personality="",
            faults=(f"{fault.name}: bounce of {message.id}",),
        )
        raw = notification(message, fault, hostname=self._hostname, now=now)
        envelope = Envelope("", (Recipient(message.envelope.reverse_path),))
        note = TranscriptLine(0, "-", f"the bounce of {message.id}, by the fault {fault.name}")
        try:
            row = await self._store.add(Message(new_id(), now, envelope, facts, raw), (note,))
            if self.send is not None:
                await self.send(row)
        except (StoreError, ValueError) as error:
            _LOG.warning("a bounce did not go out", error=str(error), message_id=message.id)
