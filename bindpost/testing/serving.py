"""A `bindpost serve` of a test's own: started, read, ended."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from ..client import Client

Record = dict[str, Any]
"""A log record as JSON has it."""
PATIENCE: Final = 30.0
"""Seconds to wait for something that must happen."""


def moment(record: Record) -> float:
    """Give the time of a log record, as `time.time` has it."""
    return datetime.fromisoformat(record["@timestamp"]).timestamp()


def _record(line: bytes) -> Record:
    """Read a log line; one that isn't JSON, a traceback for instance, is kept as it is."""
    try:
        record: Record = {"event": {}} | json.loads(line)
    except ValueError:
        record = {"event": {}, "not-json": line.decode()}
    return record


class Serving:
    """
    A `bindpost serve` of its own: its log records as they come, its addresses, its end.

    `arguments` are the command's; it logs JSON, which is read here. `folder` is its current folder,
    `env` what its environment has beside ours, `prefix` a command that runs it, `setpriv` for
    instance. `command` is another command than `serve` that logs and is stopped like it, `python`
    another interpreter than ours.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        command: Sequence[str] = ("serve",),
        python: str = sys.executable,
    ) -> None:
        self.records: list[Record] = []
        self._queue: queue.Queue[Record | None] = queue.Queue()
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [*prefix, python, "-m", "bindpost", *command, "--log", "json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=os.environ | dict(env or {}),
        )
        self._pump = threading.Thread(target=self._read_log, daemon=True)
        self._pump.start()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._queue.put(_record(line))
        self._queue.put(None)

    def _new_records(self, patience: float = PATIENCE) -> Iterator[Record]:
        """Give the records that are still to come, to the end of the log."""
        while (record := self._queue.get(timeout=patience)) is not None:
            self.records.append(record)
            yield record

    def wait_for(self, matches: Callable[[Record], bool], *, patience: float = PATIENCE) -> Record:
        """
        Give the first log record, past or to come, that matches.

        Raises `queue.Empty` when nothing at all is logged for `patience` seconds.
        """
        for record in self.records:
            if matches(record):
                return record
        for record in self._new_records(patience):
            if matches(record):
                return record
        raise AssertionError(f"the log ended without it: {self.records}")

    def wait_for_event(self, number: int, count: int = 1, *, patience: float = PATIENCE) -> Record:
        """Give the record of an event of the catalogue, past or to come: the `count`th of them."""
        seen = 0

        def matches(record: Record) -> bool:
            nonlocal seen
            seen += record.get("EventID") == number
            return seen == count

        return self.wait_for(matches, patience=patience)

    def wait_ready(self) -> Serving:
        """Return when every listener is bound."""
        self.ready = self.wait_for(lambda record: record["event"].get("action") == "ready")
        return self

    @property
    def smtp(self) -> tuple[str, int]:
        """The first listener's address."""
        host, _, port = self.ready["bindpost"]["smtp"][0].rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def client(self) -> Client:
        """A client of its API."""
        return Client(self.ready["bindpost"]["web"], timeout=PATIENCE)

    def wait_end(self) -> int:
        """Give the exit status; the whole log is then in `records`."""
        status = self.process.wait(PATIENCE)
        list(self._new_records())
        assert self.process.stdout is not None
        assert self.process.stdout.read() == b"", "standard output is for results"
        return status

    def stop(self) -> int:
        """End it as users do; gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_end()

    def event_ids(self) -> list[int]:
        """The numbers of the catalogue's events that were logged, in order."""
        return [record["EventID"] for record in self.records if "EventID" in record]

    def cleanup(self) -> None:
        """Kill it if it still runs, by its pid, and let go of its pipes."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._pump.join(PATIENCE)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


class Serve(Protocol):
    """Starts `bindpost serve` with some arguments; `listen` "" leaves that to its settings."""

    def __call__(
        self, *arguments: str, listen: str = "127.0.0.1:0", prefix: Sequence[str] = ()
    ) -> Serving:
        """Start it; `Serving.wait_ready` returns when it is bound."""
        ...
