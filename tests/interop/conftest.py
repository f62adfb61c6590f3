"""Starts bindpost as its own process, as users do, and talks to it from outside."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bindpost.client import Client

PATIENCE = 30.0
"""Seconds to wait for something that must happen."""


class Serving:
    """A `bindpost serve` of its own: its log records as they come, its addresses, its end."""

    def __init__(self, arguments: list[str], folder: Path, env: dict[str, str]) -> None:
        self.records: list[dict[str, Any]] = []
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bindpost", "serve", "--log", "json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=os.environ | env,
        )
        self._pump = threading.Thread(target=self._read_log, daemon=True)
        self._pump.start()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._queue.put(json.loads(line))
        self._queue.put(None)

    def wait_for(self, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Give the first log record, past or to come, that matches."""
        for record in self.records:
            if matches(record):
                return record
        while (record := self._queue.get(timeout=PATIENCE)) is not None:
            self.records.append(record)
            if matches(record):
                return record
        pytest.fail(f"the log ended without it: {self.records}")

    def wait_ready(self) -> "Serving":
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
        while (record := self._queue.get(timeout=PATIENCE)) is not None:
            self.records.append(record)
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


Serve = Callable[..., Serving]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start `bindpost serve` on free ports; whatever still runs at the end is ended by its pid."""
    started: list[Serving] = []

    def start(
        *arguments: str, listen: str = "127.0.0.1:0", env: dict[str, str] | None = None
    ) -> Serving:
        defaults = ["--listen", listen, "--web", "127.0.0.1:0", "--data", str(tmp_path / "data")]
        serving = Serving([*defaults, *arguments], tmp_path, env or {})
        started.append(serving)
        return serving

    yield start
    for serving in started:
        if serving.process.poll() is None:
            serving.process.kill()
        serving.process.wait(PATIENCE)
        serving._pump.join(PATIENCE)
        for pipe in (serving.process.stdout, serving.process.stderr):
            if pipe is not None:
                pipe.close()
