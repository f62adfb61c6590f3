"""Worker: follows the store for one webhook, and sees its deliveries made."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Final, final

import msgspec

from bindpost import __version__, events
from bindpost.errors import StoreError
from bindpost.log import get_logger

from ..durable.dispatcher import Dispatcher
from ..durable.follower import Follower, is_own
from ..durable.retry import LONGEST_PAUSE, insist, pause_after
from ..message.model import utc_now
from ..store.store import MessageRow, MessageStore
from ..web import native_objects, webhook_objects
from .hook import RECEIVED, TYPES, Hook
from .job import Job
from .post import PostError, post
from .queue import Queue
from .signature import sign

_LOG: Final = get_logger("bindpost.webhook")
AT_ONCE: Final = 2
"""Requests to one webhook at the same time."""
WAITING: Final = 1000
"""Deliveries that wait in a queue; then the store is followed no further until there is room."""
SHOWN: Final = 20
"""Deliveries that the API shows of a webhook."""
_GONE: Final = 410
"""Asks for no more (RFC 9110, 15.5.11)."""


@final
class Worker:
    """
    One webhook.

    Sessions are never held up, and no webhook holds up another: each follows the store by itself. A
    delivery that fails is tried again, with growing pauses.
    """

    def __init__(
        self,
        hook: Hook,
        store: MessageStore,
        queue: Queue,
        *,
        node: str | None = None,
        waiting: int = WAITING,
    ) -> None:
        self._hook = hook
        self._store = store
        self._queue = queue
        self._node = node
        self._most = waiting
        self._done = asyncio.Condition()
        self._follower = Follower(store, self._consider, self._advance, self._failed, node=node)
        self._dispatcher = Dispatcher(self._take, self._attempt, at_once=AT_ONCE)
        self._changes: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin. Raises `StoreError`."""
        name = self._hook.name
        self._follower.start(await self._queue.cursor(name))
        if set(self._hook.types) - {RECEIVED}:
            self._changes = asyncio.create_task(insist(self._tell_changes, self._failed))
        self._dispatcher.start()
        _LOG.info(
            events.WEBHOOK_ON,
            webhook=name,
            target=str(self._hook.target),
            types=list(self._hook.types),
            waiting=await self._queue.waiting(name),
        )

    async def stop(self, grace: float) -> None:
        """Take nothing new, give requests under way `grace` seconds, and cut what is left."""
        await self._follower.stop()
        if self._changes is not None:
            self._changes.cancel()
            await asyncio.gather(self._changes, return_exceptions=True)
        await self._dispatcher.stop(grace)
        await self._follower.note()

    async def state(self) -> webhook_objects.Webhook:
        """Tell how it is. Raises `StoreError`."""
        name = self._hook.name
        delivered, given_up = await self._queue.counts(name)
        return webhook_objects.Webhook(
            name=name,
            target=str(self._hook.target),
            types=self._hook.types,
            signed=self._hook.key is not None,
            waiting=await self._queue.waiting(name),
            delivered=delivered,
            given_up=given_up,
            deliveries=await self._queue.newest(name, limit=SHOWN),
        )

    # What it is told

    async def _consider(self, row: MessageRow) -> bool:
        """Queue a message if the webhook is told of it."""
        if not self._hook.wants(row):
            return False
        try:
            body = _body(RECEIVED, native_objects.row(row))
        except UnicodeEncodeError:  # it must not hold up all that follows
            self._failed(StoreError(f"message {row.id} has text in it that is no Unicode"))
            return False
        await self._add(RECEIVED, body, cursor=row.cursor)
        return True

    async def _tell_changes(self) -> None:
        """Queue what else happens to messages at this node, from now on."""
        async for change in self._store.changes():
            kind = TYPES[change.kind]
            if kind == RECEIVED or kind not in self._hook.types:
                continue
            # There are no ids where it happened in a mailbox only.
            if change.ids and is_own(change.node, self._node):
                told: dict[str, object] = {"ids": change.ids, "cause": change.cause}
                if change.read is not None:
                    told["read"] = change.read
                await self._add(kind, _body(kind, told))

    async def _add(self, kind: str, body: bytes, *, cursor: int | None = None) -> None:
        """Queue a delivery, and come back when there is room for another."""
        left = await self._queue.add(self._hook.name, kind, body, cursor=cursor)
        self._dispatcher.wake()
        if left < self._most:
            return
        async with self._done:  # counted again inside, so that no end of one is missed
            while await self._queue.waiting(self._hook.name) >= self._most:
                await self._done.wait()

    async def _advance(self, cursor: int) -> None:
        await self._queue.advance(self._hook.name, cursor)

    # Deliveries

    async def _take(self) -> tuple[Job] | float | None:
        """Give the delivery that is due first, or the seconds until one is."""
        found = await insist(
            lambda: self._queue.take(self._hook.name, horizon=2 * LONGEST_PAUSE), self._failed
        )
        return (found,) if isinstance(found, Job) else found

    async def _attempt(self, job: Job) -> None:
        """Make one attempt, and note what came of it."""
        status, reason, hint = await self._post(job)
        names = {
            "webhook": self._hook.name,
            "target": str(self._hook.target),
            "delivery": job.delivery.id,
            "type": job.delivery.type,
            "status": status,
        }
        attempt = job.delivery.attempts
        if not reason:
            await self._finish(job, "delivered", status, "")
            _LOG.info(events.WEBHOOK_DELIVERED, attempt=attempt, **names)
        elif status == _GONE or attempt >= self._hook.settings.attempts:
            await self._finish(job, "given_up", status, reason)
            _LOG.error(events.WEBHOOK_FAILED, attempt=attempt, reason=reason, hint=hint, **names)
        else:
            pause = pause_after(attempt, self._hook.settings.first_pause)
            due = utc_now() + timedelta(seconds=pause)
            await insist(
                lambda: self._queue.postpone(job, status=status, error=reason, due=due),
                self._failed,
            )
            _LOG.warning(
                events.WEBHOOK_DELAYED,
                attempt=attempt + 1,
                delay=round(pause, 2),
                reason=reason,
                hint=hint,
                **names,
            )
        async with self._done:
            self._done.notify_all()

    async def _finish(self, job: Job, state: str, status: int | None, error: str) -> None:
        await insist(
            lambda: self._queue.finish(job, state=state, status=status, error=error), self._failed
        )

    async def _post(self, job: Job) -> tuple[int | None, str, str]:
        """Make the request; give the status, and reason and hint unless it is 2xx."""
        try:
            status = await post(
                self._hook.target,
                self._headers(job),
                job.body,
                seconds=self._hook.settings.timeout,
            )
        except PostError as error:
            return None, error.reason, error.hint
        except Exception as error:
            self._failed(error)
            return None, f"unexpected: {error!r}", "report it, with the log"
        if 200 <= status < 300:
            return status, "", ""
        if 300 <= status < 400:
            hint = "redirects are not followed; set webhook.url to where it leads"
        else:
            hint = "see the receiver's own log"
        return status, f"{self._hook.target} answered {status}", hint

    def _headers(self, job: Job) -> list[tuple[str, str]]:
        """Give the fields of a request; each attempt has a time, and so a signature, of its own."""
        timestamp = int(time.time())
        fields = [
            ("Content-Type", "application/json"),
            ("User-Agent", f"bindpost/{__version__}"),
            ("webhook-id", job.delivery.id),
            ("webhook-timestamp", str(timestamp)),
        ]
        if self._hook.key is not None:
            value = sign(self._hook.key, job.delivery.id, timestamp, job.body)
            fields.append(("webhook-signature", value))
        return fields

    def _failed(self, error: Exception) -> None:
        """Tell of a queue or a store that fails; what is neither is a fault of ours."""
        log = _LOG.error if isinstance(error, StoreError) else _LOG.exception
        log(events.WEBHOOK_ERROR, webhook=self._hook.name, error=str(error))


def _body(kind: str, data: object) -> bytes:
    """Give the body of a request, in the form that Standard Webhooks recommends."""
    return msgspec.json.encode({"type": kind, "timestamp": utc_now(), "data": data})
