"""
Ends the lab's programs when the lab itself is killed, which could not do so then.

As a module it is that helper: a program that reads process groups to watch from a pipe, and kills
those that are left when the pipe ends, which it does however its writer goes. Only the standard
library, so that it starts at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

_HELD: Final = "+"
_FREE: Final = "-"


class Leash:
    """
    Holds process groups, which end when this process does; `async with` starts the helper.

    Leaving the block lets all of them go: they are ended by whoever started them. What is killed
    between its start and `hold` is not ended; that takes no time that anybody could meet.
    """

    def __init__(self) -> None:
        self._helper: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._helper = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __spec__.name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # what is sent to the lab's group is not for the helper
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._helper is not None
        self._helper.kill()
        await self._helper.wait()
        self._pipe.close()

    def hold(self, group: int) -> None:
        """Let a process group end with this process."""
        self._tell(_HELD, group)

    def let_go(self, group: int) -> None:
        """Forget a process group; its number may be somebody else's soon."""
        self._tell(_FREE, group)

    @property
    def _pipe(self) -> asyncio.StreamWriter:
        assert self._helper is not None
        assert self._helper.stdin is not None
        return self._helper.stdin

    def _tell(self, what: str, group: int) -> None:
        # A helper that somebody has killed is missed only if the lab is killed too.
        with contextlib.suppress(ConnectionError):
            self._pipe.write(f"{what}{group}\n".encode())


def watch(lines: Iterable[str]) -> None:
    """Read groups until there are no more lines, and kill those that are held then."""
    held: set[int] = set()
    for line in lines:
        what, group = line[0], int(line[1:])
        (held.add if what == _HELD else held.discard)(group)
    for group in held:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    watch(sys.stdin)
