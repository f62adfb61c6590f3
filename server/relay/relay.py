"""Relay: queues what is to go to the server, by itself or by a release, and sees it delivered."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path
from typing import Final, final

from bindpost import events
from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Relay as RelaySettings
from bindpost.errors import StoreError
from bindpost.log import get_logger

from ..durable.dispatcher import Dispatcher
from ..durable.file import RELAY_FILE
from ..durable.follower import Follower
from ..durable.patterns import Patterns
from ..durable.retry import LONGEST_PAUSE, insist
from ..message.job import Job
from ..message.model import Envelope, Recipient, utc_now
from ..store.rules import is_unicode
from ..store.store import MessageRow, MessageStore
from .addresses import check_released
from .delivery import Shipment
from .loops import LoopTrouble, relay_name, was_relayed
from .queue import Queue
from .route import Route
from .sender import Result, Sender
from .trouble import Trouble
from .verdict import Verdict, judge

_LOG: Final = get_logger("bindpost.relay")
AT_ONCE: Final = 4
"""Messages that are being sent at the same time."""
GRACE: Final = 5.0
"""Seconds that attempts under way are given at shutdown; then they are cut, and made again."""
SHOWN: Final = 100
"""Jobs of one message that are told, the newest."""


@contextlib.asynccontextmanager
async def relaying(
    route: Route | None,
    settings: RelaySettings,
    store: MessageStore,
    *,
    data: str | Path,
    hostname: str,
    node: str | None = None,
    listeners: Callable[[], Collection[Endpoint]],
    grace: float = GRACE,
) -> AsyncIterator[Relay | None]:
    """
    Run a relay, None without a route; leaving gives what is being sent `grace` seconds to end.

    `data` is the data folder, which the store holds already, or `:memory:`; `listeners` gives our
    own addresses. By itself it relays what this `node` took. Raises `StoreError` when the queue
    cannot be opened.
    """
    if route is None:
        await _forget_cursor(data)
        yield None
        return
    sender = Sender(route, name=relay_name(hostname), timeout=settings.timeout, listeners=listeners)
    relay = Relay(settings, store, await Queue.open(data), sender, node=node)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop(grace)


async def _forget_cursor(data: str | Path) -> None:
    """See that mail that comes while the relay is off isn't sent when it is on again."""
    if str(data) == ":memory:" or not (Path(data) / RELAY_FILE).exists():
        return
    queue = await Queue.open(data)
    try:
        await queue.set_cursor(None)
    finally:
        await queue.close()


@final
class Relay:
    """
    The relay of one server.

    Sessions are never held up: what is relayed by itself is found by following the store, and all
    sending is done by at most `AT_ONCE` threads. A job whose attempt fails for now is tried again,
    with growing pauses.
    """

    def __init__(
        self,
        settings: RelaySettings,
        store: MessageStore,
        queue: Queue,
        sender: Sender,
        *,
        node: str | None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._queue = queue
        self._sender = sender
        self._automatic = Patterns(settings.recipients)
        self._allowed = Patterns(settings.allowed)
        self._dispatcher = Dispatcher(self._take, self._attempt, at_once=AT_ONCE)
        self._follower = Follower(store, self._consider, queue.advance, _failed, node=node)

    @property
    def server(self) -> str:
        """Where messages go, as HOST:PORT."""
        return self._settings.server

    @property
    def allowed(self) -> Sequence[str]:
        """Patterns of the addresses that a release may name; none = any."""
        return self._settings.allowed

    async def start(self) -> None:
        """Begin to send, and to follow the store. Raises `StoreError`."""
        if self._automatic:
            known = await self._queue.cursor()
            latest = self._store.sequence
            cursor = latest if known is None else min(known, latest)
            await self._queue.set_cursor(cursor)
            self._follower.start(cursor)
        else:
            await self._queue.set_cursor(None)
        self._dispatcher.start()
        _LOG.info(
            events.RELAY_ON,
            **self._names,
            waiting=self._queue.waiting_at_start,
            patterns=list(self._automatic.texts),
        )

    async def stop(self, grace: float = GRACE) -> None:
        """Take nothing new, give attempts under way `grace` seconds, and let go of the queue."""
        await self._follower.stop()
        await self._dispatcher.stop(grace)
        await self._follower.note()
        await self._queue.close()

    async def release(self, row: MessageRow, to: Sequence[str] | None) -> Job:
        """
        Queue a message for these addresses, None for the recipients of its envelope.

        Returns when it is queued durably, not when it is sent. Raises `ValueError` with a sentence
        for addresses that it can't go to, `StoreError` when the queue fails.
        """
        given = row.envelope.recipients if to is None else [Recipient(each) for each in to]
        job = await self._queue.add(row.id, "release", check_released(given, self._allowed))
        self._dispatcher.wake()
        return job

    async def jobs(self, message_id: str) -> list[Job]:
        """Give the jobs of a message, newest first, `SHOWN` at most. Raises `StoreError`."""
        return await self._queue.of_message(message_id, limit=SHOWN)

    @property
    def _names(self) -> dict[str, str]:
        route = self._sender.route
        return {"server": str(route.server), "via": route.via}

    # What is relayed by itself

    async def _consider(self, row: MessageRow) -> bool:
        """Queue a message for those of its recipients that are relayed by themselves, if any."""
        # What is no Unicode can't be queued, nor sent; it must not hold up all that follows.
        chosen = [
            to
            for to in row.envelope.recipients
            if self._automatic.match(to.address) and is_unicode(to.address)
        ]
        if chosen:
            await self._queue.add(row.id, "automatic", chosen, cursor=row.cursor)
            self._dispatcher.wake()
        return bool(chosen)

    # Sending

    async def _take(self) -> tuple[Job] | float | None:
        """Give the job that is due first, or the seconds until one is."""
        found = await insist(lambda: self._queue.take(horizon=2 * LONGEST_PAUSE), _failed)
        return (found,) if isinstance(found, Job) else found

    async def _attempt(self, job: Job) -> None:
        """Make one attempt for a job, and note what came of it."""
        result = await self._result(job)
        verdict = judge(job, result, self._settings)
        await insist(
            lambda: self._queue.settle(
                job, verdict.changed, error=verdict.reason, due=verdict.due(utc_now())
            ),
            _failed,
        )
        self._report(job, verdict, looped=isinstance(result.trouble, LoopTrouble))

    async def _result(self, job: Job) -> Result:
        """Try to send a job; whatever goes wrong is in the result."""
        try:
            return await self._sender.send(await self._load(job))
        except Trouble as error:
            trouble = error
        except StoreError as error:
            _LOG.error(events.RELAY_ERROR, error=str(error))
            trouble = Trouble("message", f"it could not be read: {error}", hint="see the disk")
        except Exception as error:
            _LOG.exception(events.RELAY_ERROR, error=str(error))
            trouble = Trouble("message", f"unexpected: {error!r}", hint="report it, with the log")
        return Result((None,) * len(job.waiting), trouble)

    async def _load(self, job: Job) -> Shipment:
        """Give what is to be sent. Raises `Trouble` for what is not."""
        row = await self._store.get(job.message_id)
        raw = await self._store.raw(job.message_id)
        if row is None or raw is None:
            raise Trouble(
                "message",
                "it is no longer in the inbox",
                hint="let [retention] keep messages longer, or don't delete what is queued",
                permanent=True,
            )
        if job.kind == "automatic" and was_relayed(row, raw):
            raise LoopTrouble
        waiting = [job.recipients[place] for place in job.waiting]
        return Shipment(
            Envelope(
                row.envelope.reverse_path,
                tuple(Recipient(one.address, one.parameters) for one in waiting),
                row.envelope.parameters,
            ),
            raw,
        )

    def _report(self, job: Job, verdict: Verdict, *, looped: bool) -> None:
        names = {"message_id": job.message_id, "job": job.id, "kind": job.kind, **self._names}
        why = {"hop": verdict.hop, "reason": verdict.reason, "hint": verdict.hint}
        attempt = job.attempts
        if looped:
            _LOG.warning(events.RELAY_LOOP, **names)
            return
        if sent := verdict.count("sent"):
            _LOG.info(events.RELAY_SENT, recipients=sent, attempt=attempt, **names)
        if failed := verdict.count("failed"):
            _LOG.error(events.RELAY_FAILED, recipients=failed, attempt=attempt, **names, **why)
        if verdict.pause is not None:
            _LOG.warning(
                events.RELAY_DELAYED,
                recipients=verdict.count("queued"),
                attempt=attempt + 1,
                delay=round(verdict.pause, 2),
                **names,
                **why,
            )


def _failed(error: Exception) -> None:
    """Tell of a queue or a store that fails; what is neither is a fault of ours."""
    if isinstance(error, StoreError):
        _LOG.error(events.RELAY_ERROR, error=str(error))
    else:
        _LOG.exception(events.RELAY_ERROR, error=str(error))
