"""Line: a connection in the making, seen from the loop: how far it is, and how to cut it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Final, Literal, final

from .trouble import Hop

_VERBS: Final = ("HELO", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "QUIT")


@final
class Line:
    """
    What a worker thread and the event loop share of one attempt.

    The thread says where it is (`hop`, `step`) and which connection it holds; `stop` ends whatever
    it waits for. That is done by a second handle on the connection, because TLS takes the first one
    over. `outcome` is what became of connecting to the server, empty before that was tried; `host`
    is the server's address, its name where a proxy is asked for that.
    """

    def __init__(self, first_hop: Hop) -> None:
        self.hop = first_hop
        self.step = "connect"
        self.outcome: Literal["", "made", "failed", "refused"] = ""
        self.host = ""
        self._handle: socket.socket | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def hold(self, sock: socket.socket) -> None:
        """Note the connection that `stop` has to cut. Raises `TimeoutError` after a `stop`."""
        with self._lock:
            if self._stopped:
                raise TimeoutError("stopped")
            self._let_go()
            self._handle = socket.fromfd(sock.fileno(), sock.family, sock.type, sock.proto)

    def says(self, command: str) -> None:
        """Note the verb that is being said; anything else may be a secret and is not noted."""
        verb = command.upper()
        if verb in _VERBS:
            self.step = verb

    def stop(self) -> None:
        """Cut the connection, now or as soon as there is one; may be called from any thread."""
        with self._lock:
            self._stopped = True
            if self._handle is not None:
                with suppress(OSError):
                    self._handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection, which its owner closes."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None
