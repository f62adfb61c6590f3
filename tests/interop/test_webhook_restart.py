"""Webhooks of a `bindpost serve` that is killed: what waited is told by the next one."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from bindpost.proxy.local import free_port
from bindpost.testing import Serve
from bindpost.testing.serving import PATIENCE


class Receiver(ThreadingHTTPServer):
    """A server that is made without a socket of its own that listens: `start` lets it."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler, bind_and_activate=False)
        self.taken: Queue[tuple[str, Any]] = Queue()
        self._thread = Thread(target=self.serve_forever)

    def start(self) -> None:
        """Listen and serve."""
        self.server_bind()
        self.server_activate()
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join(PATIENCE)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Hands over the id and the body of each request."""

    server: Receiver

    def do_POST(self) -> None:
        """Take a request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.taken.put((self.headers["webhook-id"], json.loads(body)))

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def port() -> int:
    """A port on which nothing listens yet."""
    return free_port()


@pytest.fixture
def receiver(port: int) -> Iterator[Receiver]:
    """A receiver that is not started yet."""
    receiver = Receiver(port)
    yield receiver
    receiver.stop()


def test_what_waits_outlives_a_kill(
    serve: Serve, receiver: Receiver, port: int, tmp_path: Path
) -> None:
    """A delivery that failed is in the queue when the process is killed, and its id stays."""
    settings = tmp_path / "bindpost.toml"
    settings.write_text(
        f'[[webhook]]\nname = "ci"\nurl = "http://127.0.0.1:{port}/"\nfirst_pause = 3600\n'
    )
    first = serve("--config", str(settings)).wait_ready()
    with smtplib.SMTP(*first.smtp) as smtp:
        smtp.sendmail("a@example.com", ["b@example.com"], b"Subject: kept\r\n\r\n")
    delayed = first.wait_for_event(177)
    first.process.kill()
    first.process.wait(PATIENCE)
    receiver.start()

    second = serve("--config", str(settings)).wait_ready()
    delivery, told = receiver.taken.get(timeout=PATIENCE)

    assert second.wait_for_event(175)["bindpost"]["waiting"] == 1
    assert delivery == delayed["bindpost"]["delivery"]
    assert told["type"] == "message.received"
    assert told["data"]["fields"]["subject"] == "kept"
    assert second.wait_for_event(176)["bindpost"]["attempt"] == 2
    assert second.stop() == 0
