"""A receiver of webhooks that hands over what it is told."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import Any

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
