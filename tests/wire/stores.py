"""Stores that do not do as stores do: fakes, with the real thing inside."""

from __future__ import annotations

import asyncio

from bindpost.server.message.model import Message, Transcript
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow


class FailingStore(MemoryStore):  # type: ignore[misc]  # final for users; this is a fake of it
    """A store that fails when it is told to: a fake, with the real thing inside."""

    failure: Exception | None = None

    async def add(
        self, message: Message, transcript: Transcript, *, mailbox: str | None = None
    ) -> MessageRow:
        """Keep a message, or fail."""
        if self.failure is not None:
            raise self.failure
        return await super().add(message, transcript, mailbox=mailbox)


class SlowStore(MemoryStore):  # type: ignore[misc]  # final for users; this is a fake of it
    """A store that takes its time, as long as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def add(
        self, message: Message, transcript: Transcript, *, mailbox: str | None = None
    ) -> MessageRow:
        """Keep a message when the test says so."""
        self.asked.set()
        await self.go_on.wait()
        return await super().add(message, transcript, mailbox=mailbox)
