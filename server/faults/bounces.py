"""Bounces, and notifications of success: what senders are told of messages that were accepted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
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
from .dsn import (
    DELIVERED,
    Fate,
    failure_by,
    notification,
    recipients_to_tell_of,
    wants_whole,
    without_body,
)

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
        """
        Have a message bounce after the time of a rule, if anybody wants to be told.

        Only its header waits in memory; the rest is asked of the store when it is to come back.
        """
        wanted = recipients_to_tell_of(message.envelope, failure_by(fault))
        if wanted and len(self._waiting) < MAX_WAITING:
            work = self._bounce(without_body(message), fault)
            task = asyncio.get_running_loop().create_task(work)
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def confirm(self, message: Message) -> None:
        """
        Tell the sender that a message was delivered, if NOTIFY asks for that (RFC 3461).

        The notification is kept when this returns, and goes no further than the inbox: a client
        could ask for one in the name of a stranger.
        """
        if recipients_to_tell_of(message.envelope, DELIVERED):
            note = f"{message.id} was delivered, which NOTIFY asks to be told"
            with _failure_logged(message):
                await self._keep(message, DELIVERED, note, via=VIA_SUCCESS)

    async def close(self) -> None:
        """Forget what has not gone out."""
        tasks = tuple(self._waiting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _bounce(self, message: Message, fault: Fault) -> None:
        await asyncio.sleep(seconds_of(fault))
        note = f"the bounce of {message.id}, by the fault {fault.name}"
        told = (f"{fault.name}: bounce of {message.id}",)
        with _failure_logged(message):
            row = await self._keep(message, failure_by(fault), note, via=VIA, faults=told)
            if self.send is not None:
                await self.send(row)

    async def _keep(
        self, message: Message, fate: Fate, note: str, *, via: str, faults: tuple[str, ...] = ()
    ) -> MessageRow:
        """Keep the notification of a message's fate. Raises `StoreError`."""
        now = utc_now()
        facts = SessionFacts(
            session_id=new_id(),
            started=now,
            listener=message.session.listener,
            via=via,
            personality="",
            faults=faults,
            node=message.session.node,
        )
        whole = await self._store.raw(message.id) if wants_whole(message.envelope, fate) else None
        raw = notification(message, fate, hostname=self._hostname, now=now, whole=whole)
        told = Message(new_id(), now, _envelope_to(message.envelope), facts, raw)
        return await self._store.add(told, (TranscriptLine(0, "-", note),))


@contextlib.contextmanager
def _failure_logged(message: Message) -> Iterator[None]:
    """Log that a notification could not be kept or sent: its message was accepted all the same."""
    try:
        yield
    except (StoreError, ValueError) as error:
        _LOG.warning("a notification did not go out", error=str(error), message_id=message.id)


def _envelope_to(envelope: Envelope) -> Envelope:
    """Give the envelope of a notification; it goes by TLS if its message had to (RFC 8689, 5)."""
    parameters = {"REQUIRETLS": None} if "REQUIRETLS" in envelope.parameters else {}
    return Envelope("", (Recipient(envelope.reverse_path),), parameters)
