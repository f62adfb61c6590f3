"""One real server for all awkward mail, sent and read over sockets without a library's opinions."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

import httpx
import pytest

from bindpost.testing import Serving
from bindpost.testing.serving import PATIENCE

REQUEST_FAILED = 154
CONFIG = '[pop3]\nendpoint = "127.0.0.1:0"\n'

Deliver = Callable[[bytes], str]


class Line:
    """A connection to a server that is told lines and answers them."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, PATIENCE)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def hear(self, good: bytes) -> bytes:
        """Give the last line of an answer, which must begin like this."""
        line = self._file.readline()
        while line[3:4] == b"-":
            line = self._file.readline()
        assert line.startswith(good), line
        return line

    def say(self, octets: bytes, good: bytes) -> bytes:
        """Say something, which must be answered like this."""
        self._socket.sendall(octets)
        return self.hear(good)

    def rest(self) -> bytes:
        """Give the lines up to the one of a dot (RFC 1939, 3), unstuffed."""
        lines = []
        while (line := self._file.readline()) != b".\r\n":
            assert line, "the connection ended"
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)


class Desk:
    """A server: mail goes in by SMTP, and comes out by HTTP and POP3."""

    def __init__(self, serving: Serving, pop3: tuple[str, int]) -> None:
        self.serving = serving
        self._pop3 = pop3
        self.http = httpx.Client(base_url=serving.ready["bindpost"]["web"], timeout=PATIENCE)

    def deliver(self, *messages: bytes) -> str:
        """Send messages, byte for byte, in one session; give the id of the last."""
        with Line(self.serving.smtp) as smtp:
            smtp.hear(b"220")
            smtp.say(b"EHLO client.example\r\n", b"250")
            for raw in messages:
                assert raw.endswith(b"\r\n") or not raw, "else it could not come by SMTP"
                stuffed = re.sub(rb"(?:(?<=\r\n)|\A)\.", b"..", raw)
                smtp.say(b"MAIL FROM:<alice@example.test>\r\n", b"250")
                smtp.say(b"RCPT TO:<bob@example.test>\r\n", b"250")
                smtp.say(b"DATA\r\n", b"354")
                smtp.say(stuffed + b".\r\n", b"250")
            smtp.say(b"QUIT\r\n", b"221")
        return str(self.serving.client.messages(limit=1)[0].id)

    def fetch(self) -> Iterator[tuple[bytes, bytes]]:
        """Give what POP3's RETR and TOP have of each message, the oldest first."""
        with Line(self._pop3) as pop3:
            pop3.hear(b"+OK")
            pop3.say(b"USER bob\r\n", b"+OK")
            pop3.say(b"PASS bob\r\n", b"+OK")
            count = int(pop3.say(b"STAT\r\n", b"+OK").split()[1])
            for number in range(1, count + 1):
                pop3.say(b"RETR %d\r\n" % number, b"+OK")
                whole = pop3.rest()
                pop3.say(b"TOP %d 99999999\r\n" % number, b"+OK")
                yield whole, pop3.rest()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Give the server; when the module is through, none of its requests may have failed inside."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "bindpost.toml").write_text(CONFIG)
    ready = folder / "ready.json"
    options = ["--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--data", ":memory:"]
    serving = Serving(
        ["--config", "bindpost.toml", "--ready-file", str(ready), *options], folder=folder
    ).wait_ready()
    host, _, port = json.loads(ready.read_text())["pop3"][0].rpartition(":")
    desk = Desk(serving, (host, int(port)))
    yield desk
    desk.http.close()
    serving.stop()
    serving.cleanup()
    assert REQUEST_FAILED not in serving.event_ids()
    assert not [record for record in serving.records if "not-json" in record]


@pytest.fixture(scope="session")
def cpython_mail() -> Traversable:
    """
    Give the folder of messages that CPython tests its `email` with.

    Debian's Python comes without its tests, which skips this one.
    """
    try:
        return files("test.test_email") / "data"
    except ModuleNotFoundError:
        pytest.skip("CPython's test.test_email is not installed")
