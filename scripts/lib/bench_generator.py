"""
The clients of scripts/bench latency and soak: mail that comes when it is due, whoever is slow.

`bench_generator.py PORT SECONDS FIRST RATE:SIZE:SESSIONS:EACH...` brings streams of mail at once:
so many messages a second, of so many bytes, over so many sessions, each for so many messages until
another takes its place, 0 for no end. A rate of 0 is a closed loop: as many as are answered.

The subject is a message's number, the first one's FIRST. A latency begins when a message was due,
not when a session was free for it. What was found is printed as JSON.

It runs on select(), which alone of all that asyncio knows waits for less than a millisecond.
"""

from __future__ import annotations

import asyncio
import json
import math
import selectors
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

GRACE: Final = 10.0
"""Seconds in which what was due must be answered after the last was; what isn't, is unanswered."""
MINUTE: Final = 60.0
HEAD: Final = [b"MAIL FROM:<a@bench.test>\r\n", b"RCPT TO:<b@bench.test>\r\n", b"DATA\r\n"]
LINE: Final = b"x" * 70 + b"\r\n"


class Session(asyncio.Protocol):
    """One connection; brings a message when it is told to, and says when it is free again."""

    def __init__(self, free: Callable[[Session], None]) -> None:
        self._free = free
        self._steps: Iterator[bytes] = iter([b"EHLO bench.test\r\n"])
        self._rest = b""
        self.done = self._greeted
        self.brought = 0
        self.transport: Any = None

    def _greeted(self) -> None:
        """Have nothing to tell: it was no message that ended."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the banner."""
        self.transport = transport

    def bring(self, message: bytes, done: Callable[[], None]) -> None:
        """Begin a message; `done` is called at its 250."""
        self.brought += 1
        self._steps, self.done = iter([*HEAD[1:], message]), done
        self.transport.write(HEAD[0])

    def quit(self) -> None:
        """Say QUIT, and hang up when that is answered."""
        self.done, self._free = self.transport.close, lambda _: None
        self.transport.write(b"QUIT\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer each whole reply by the next step."""
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        for line in lines:
            if line[:1] not in (b"2", b"3"):
                sys.exit(f"the server says {line!r}")
            if line[3:4] == b"-":
                continue
            step = next(self._steps, None)
            if step is None:
                self.done()
                self._free(self)
            else:
                self.transport.write(step)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the program: nothing was told to hang up."""
        if not self.transport.is_closing():
            sys.exit(f"the server hung up: {exc}")


class Stream:
    """Mail of one size at one rate over sessions of its own."""

    def __init__(
        self, port: int, rate: float, size: int, sessions: int, each: float, numbers: Iterator[int]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._port, self._sessions, self._numbers = port, sessions, numbers
        self._each = each or math.inf
        self._gap = 1 / rate if rate else 0.0
        self._padding = LINE * max(0, (size - 40) // len(LINE))
        self._idle: list[Session] = []
        self._connected: set[Session] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._due: deque[float] = deque()
        self._began = self._next = self._end = 0.0
        self.all_done = asyncio.Event()
        self.all_free = asyncio.Event()
        self.brought = 0
        self.open: set[int] = set()
        """Numbers of messages that were begun and not answered."""
        self.answered: list[tuple[float, float]] = []
        """When each message was due, from the begin, and how long it took."""
        self.late: list[float] = []
        """By how much the generator itself was behind."""

    async def connect(self) -> None:
        """Connect, and return when every session has been greeted."""
        for _ in range(self._sessions):
            await self._connect()
        await self.all_free.wait()

    async def _connect(self) -> None:
        _, session = await self._loop.create_connection(
            lambda: Session(self._freed), "127.0.0.1", self._port
        )
        self._connected.add(session)

    def _renew(self, session: Session) -> None:
        """Have another session in the place of one that has brought its messages."""
        self._connected.remove(session)
        session.quit()
        connecting = self._loop.create_task(self._connect())
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)

    def run(self, seconds: float) -> None:
        """Begin, for so many seconds."""
        self._began = self._next = self._loop.time()
        self._end = self._began + seconds
        if self._gap:
            self._tick()
        else:
            for session in [*self._idle]:
                self._idle.remove(session)
                self._bring(session, self._loop.time())

    def _tick(self) -> None:
        now = self._loop.time()
        while self._next <= now and self._next < self._end:
            self.late.append(now - self._next)
            self._due.append(self._next)
            self._next += self._gap
        while self._due and self._idle:
            self._bring(self._idle.pop(), self._due.popleft())
        if self._next < self._end:
            self._loop.call_at(self._next, self._tick)

    def _bring(self, session: Session, due: float) -> None:
        number = next(self._numbers)
        message = b"Subject: %d\r\n\r\n%s.\r\n" % (number, self._padding)
        self.brought += 1
        self.open.add(number)

        def done() -> None:
            self.open.remove(number)
            self.answered.append((due - self._began, self._loop.time() - due))

        session.bring(message, done)

    def _freed(self, session: Session) -> None:
        if not self._began:
            self._idle.append(session)
            if len(self._idle) == self._sessions:
                self.all_free.set()
            return
        now = self._loop.time()
        if session.brought >= self._each:
            self._renew(session)
        elif not self._gap and now < self._end:
            self._bring(session, now)
        elif self._due:
            self._bring(session, self._due.popleft())
        else:
            self._idle.append(session)
            nothing_to_come = self._next >= self._end if self._gap else now >= self._end
            if nothing_to_come and len(self._idle) == self._sessions:
                self.all_done.set()

    def close(self) -> None:
        """Hang up."""
        for session in self._connected:
            session.transport.close()

    def facts(self, seconds: float) -> dict[str, Any]:
        """Give what was found, in seconds."""
        minutes: list[list[float]] = [[] for _ in range(math.ceil(seconds / MINUTE))]
        for due, latency in self.answered:
            minutes[min(int(due / MINUTE), len(minutes) - 1)].append(latency)
        return {
            "brought": self.brought,
            "open": sorted(self.open),
            "unanswered": len(self.open) + len(self._due),
            **figures([latency for _, latency in self.answered]),
            "late_p99": figures(self.late)["p99"],
            "minutes": [{"count": len(found), **figures(found)} for found in minutes],
        }


def figures(found: Sequence[float]) -> dict[str, float]:
    """Give median, 99th of a hundred and greatest, 0 for nothing."""
    ordered = sorted(found) or [0.0]
    last = len(ordered) - 1
    return {"p50": ordered[last // 2], "p99": ordered[math.ceil(last * 0.99)], "max": ordered[last]}


async def main(port: str, seconds: str, first: str, *kinds: str) -> None:
    """Bring all streams, and print what was found of each."""
    numbers = iter(range(int(first), sys.maxsize))
    streams = []
    for kind in kinds:
        rate, size, sessions, each = kind.split(":")
        stream = Stream(int(port), float(rate), int(size), int(sessions), int(each), numbers)
        await stream.connect()
        streams.append(stream)
    began, used = time.perf_counter(), time.process_time()
    for stream in streams:
        stream.run(float(seconds))
    waits = [asyncio.ensure_future(stream.all_done.wait()) for stream in streams]
    _, pending = await asyncio.wait(waits, timeout=float(seconds) + GRACE)
    for wait in pending:
        wait.cancel()
    took = time.perf_counter() - began
    facts = {
        "seconds": took,
        "busy": (time.process_time() - used) / took,
        "streams": [stream.facts(float(seconds)) for stream in streams],
    }
    for stream in streams:
        stream.close()
    sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    ) as runner:
        runner.run(main(*sys.argv[1:]))
