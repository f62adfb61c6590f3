"""The web endpoint besieged: a browser gets its page while all its connections dribble."""

from __future__ import annotations

import resource
import socket
import time
import urllib.request
from collections.abc import Iterator

import pytest

from bindpost.config.model import WebLimits
from bindpost.testing import Serve

CONNECTIONS = WebLimits().connections
HEADER = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY = b"PUT /api/v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n{"
SHOWN = 15.0
"""Seconds in which a page is there, on a machine that has other tests to run as well."""


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process have that many sockets, or skip the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4 * CONNECTIONS:
        pytest.skip("the system allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * CONNECTIONS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Dribblers:
    """Connections that say something, then a byte now and then; who is dropped comes again."""

    def __init__(self, address: tuple[str, int], part: bytes) -> None:
        self._address = address
        self._part = part
        self._all = [self._connect() for _ in range(CONNECTIONS)]
        self.dropped = 0

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self._address)
        connection.sendall(self._part)
        return connection

    def dribble(self) -> None:
        """Say a byte on each of them."""
        for number, connection in enumerate(self._all):
            try:
                connection.sendall(b"x")
            except OSError:
                connection.close()
                self._all[number] = self._connect()
                self.dropped += 1

    def close(self) -> None:
        """Let all go."""
        for connection in self._all:
            connection.close()


@pytest.mark.parametrize("part", [b"", HEADER, BODY], ids=["silent", "header", "body"])
def test_a_browser_gets_its_page(serve: Serve, many_files: None, part: bytes) -> None:
    """Each time, whatever the others do, and the server ends in time."""
    serving = serve().wait_ready()
    web = serving.ready["bindpost"]["web"]
    host, port = web.removeprefix("http://").rstrip("/").split(":")
    dribblers = Dribblers((host, int(port)), part)
    times = []
    try:
        for _ in range(5):
            begun = time.monotonic()
            with urllib.request.urlopen(web, timeout=60) as page:
                assert b"<html" in page.read()
            times.append(time.monotonic() - begun)
            dribblers.dribble()
    finally:
        dribblers.close()

    assert max(times) < SHOWN
    assert dribblers.dropped > 0  # those who made room
    assert serving.stop() == 0
