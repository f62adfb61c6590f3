"""Bounces, and notifications of success: what senders are told of messages that were accepted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, final

import msgspec

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
from .dsn import DELIVERED, Fate, failure_by, notification, recipients_to_tell_of

_LOG: Final = get_logger("bindpost.faults")
MAX_WAITING: Final = 10_000
"""Bounces on their way at once; more are left out."""
VIA: Final = "bounce"
"""Stands in the session facts of a bounce, which came by no session."""
VIA_SUCCESS: Final = "dsn"
"""Stands in those of a notification of success."""


@final
class Bounces:
    """
    The notifications of one app; belongs to one event loop.

    Each is kept in the inbox as a message to the sender. A bounce is then given to `send`, the
    relay's release, if there is one. What has not gone out when the app ends is forgotten.
    """

    send: Callable[[MessageRow], Awaitable[object]] | None = None

    def __init__(self, store: MessageStore, *, hostname: str) -> None:
        self._store = store
        self._hostname = hostname
        self._waiting: set[asyncio.Task[None]] = set()

    def plan(self, message: Message, fault: Fault) -> None:
        """Have a message bounce after the time of a rule, if anybody wants to be told."""
        fate = failure_by(fault)
        if self._tells_of(message, fate):
            told = f"{fault.name}: bounce of {message.id}"
            note = f"the bounce of {message.id}, by the fault {fault.name}"
            facts = _facts(message, VIA, faults=(told,))
            self._start(self._tell(message, fate, facts, note, after=seconds_of(fault)))

    def confirm(self, message: Message) -> None:
        """Tell the sender that a message was delivered, if NOTIFY asks for that (RFC 3461)."""
        if self._tells_of(message, DELIVERED):
            note = f"{message.id} was delivered, which NOTIFY asks to be told"
            self._start(self._tell(message, DELIVERED, _facts(message, VIA_SUCCESS), note))

    async def close(self) -> None:
        """Forget what has not gone out."""
        tasks = tuple(self._waiting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tells_of(self, message: Message, fate: Fate) -> bool:
        wanted = recipients_to_tell_of(message.envelope, fate)
        return bool(wanted) and len(self._waiting) < MAX_WAITING

    def _start(self, telling: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(telling)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _tell(
        self, message: Message, fate: Fate, facts: SessionFacts, note: str, *, after: float = 0.0
    ) -> None:
        await asyncio.sleep(after)
        now = utc_now()
        raw = notification(message, fate, hostname=self._hostname, now=now)
        facts = msgspec.structs.replace(facts, started=now)
        envelope = _envelope_to(message.envelope)
        line = TranscriptLine(0, "-", note)
        try:
            row = await self._store.add(Message(new_id(), now, envelope, facts, raw), (line,))
            # A client could ask for success in anybody's name: that is not sent to strangers.
            if self.send is not None and fate.action == "failed":
                await self.send(row)
        except (StoreError, ValueError) as error:
            _LOG.warning("a notification did not go out", error=str(error), message_id=message.id)


def _facts(message: Message, via: str, faults: tuple[str, ...] = ()) -> SessionFacts:
    """Give the facts of a session that there was none of."""
    return SessionFacts(
        session_id=new_id(),
        started=message.received,
        listener=message.session.listener,
        via=via,
        personality="",
        faults=faults,
    )


def _envelope_to(envelope: Envelope) -> Envelope:
    """Give the envelope of a notification; it goes by TLS if its message had to (RFC 8689, 5)."""
    parameters = {"REQUIRETLS": None} if "REQUIRETLS" in envelope.parameters else {}
    return Envelope("", (Recipient(envelope.reverse_path),), parameters)
