"""Ports of 127.0.0.1 at which nobody is to be had."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from bindpost.config.endpoint import Endpoint


@contextmanager
def closed_port() -> Iterator[Endpoint]:
    """Give a port on which nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield Endpoint(*sock.getsockname())


@contextmanager
def full_port() -> Iterator[Endpoint]:
    """Give a port whose packets are dropped: its queue of connections is full."""
    with socket.socket() as sock, socket.socket() as first, socket.socket() as second:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(sock.getsockname())
        yield Endpoint(*sock.getsockname())
