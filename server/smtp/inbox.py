"""The fast engine's stream reader: what it has not got yet it waits for by parking."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .driver import Need, parked
from .reader import CommandReader

if TYPE_CHECKING:
    from .driver import Driver

    class _Stream(asyncio.StreamReader):
        """What the mixin is mixed into."""

        _buffer: bytearray

        async def _wait_for_data(self, func_name: str) -> None: ...
        def _wakeup_waiter(self) -> None: ...
else:
    _Stream = object


class Driven(_Stream):
    """
    Makes a stream reader wait by parking, before each command and wherever bytes are missing.

    All reading is asyncio's own, limits and errors too; only its wait is another. Code that runs in
    a task waits by a future, as ever: it may be inside a time-out that belongs to the task. Only
    the wait for the next command gives the coroutine back, as nothing can be around that one.
    """

    driver: Driver | None = None
    _in_response = False
    _overlong = False

    async def readuntil(self, separator: bytes = b"\n") -> bytes:  # type: ignore[override]
        """Read up to and including the separator; each command line begins with a pause."""
        is_command = separator == b"\n" and not (self._in_response or self._overlong)
        if is_command and self.driver is not None and self.driver.is_stepping:
            await parked(Need.COMMAND)
        return await super().readuntil(separator)

    async def readline(self) -> bytes:
        """Read a line that is no command but belongs to one."""
        self._in_response = True
        try:
            return await super().readline()
        finally:
            self._in_response = False

    async def _wait_for_data(self, func_name: str) -> None:
        driver = self.driver
        if driver is not None and driver.is_stepping and not driver.is_in_task:
            await parked(Need.INPUT)
        else:
            await super()._wait_for_data(func_name)

    def use(self, buffer: bytearray) -> None:
        """Read from this buffer from now on, to which another adds."""
        self._buffer = buffer

    def woken(self) -> None:
        """Look into the buffer again, if somebody waits by a future."""
        self._wakeup_waiter()


class DrivenReader(Driven, asyncio.StreamReader):
    """aiosmtpd's reader, driven."""


class DrivenCommandReader(Driven, CommandReader):
    """bindpost's reader, which shows what it reads, driven."""
