"""Service: all webhooks of an app, over one queue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, final

from ..durable.file import WEBHOOK_FILE
from ..store.store import MessageStore
from ..web.webhook_objects import Webhook
from .hook import Hook
from .queue import Queue
from .worker import Worker

GRACE: Final = 3.0
"""Seconds that requests under way are given at shutdown; then they are cut, and made again."""


@final
class Webhooks:
    """The webhooks that run; implements `bindpost.server.web.webhooks.TellsWebhooks`."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers

    async def states(self) -> list[Webhook]:
        """Tell how each of them is. Raises `StoreError`."""
        return [await worker.state() for worker in self._workers]


@contextlib.asynccontextmanager
async def webhooking(
    hooks: Sequence[Hook],
    store: MessageStore,
    *,
    data: str | Path,
    node: str | None = None,
    grace: float = GRACE,
) -> AsyncIterator[Webhooks]:
    """
    Run webhooks; leaving gives requests under way `grace` seconds to end.

    `data` is the data folder, which the store holds already, or `:memory:`. They are told of what
    happens at this `node`. Raises `StoreError` when the queue cannot be opened.
    """
    if not hooks and (str(data) == ":memory:" or not (Path(data) / WEBHOOK_FILE).exists()):
        yield Webhooks(())
        return
    # Opened without a webhook too: one that is gone now must not find its old queue later.
    queue = await Queue.open(data, [hook.name for hook in hooks], cursor=store.sequence)
    workers = [Worker(hook, store, queue, node=node) for hook in hooks]
    try:
        for worker in workers:
            await worker.start()
        yield Webhooks(workers)
    finally:
        await asyncio.gather(*(worker.stop(grace) for worker in workers))
        await queue.close()
