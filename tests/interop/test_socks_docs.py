"""The configurations of docs/socks.md, given to the programs that they are for."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.socks.provider import SocksProvider

PAGE = Path(__file__).parents[2] / "docs" / "socks.md"
PATIENCE = 20.0
"""Seconds for a program to end."""
CLIENTS = 12

Program = Callable[[str], Path]


def block(language: str, changes: Mapping[str, str]) -> str:
    """Give a block of the page, with some of its words changed."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    text = found[1]
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def free_port() -> int:
    """Give a TCP port that is free on 127.0.0.1."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(*command: object, until: str = "") -> Iterator[None]:
    """Run a program; begins when it has written a word, if there is one to wait for."""
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        heard = []
        while until and not (heard and until in heard[-1]):
            heard.append(process.stderr.readline())
            assert heard[-1], heard
        yield
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


@pytest.fixture
def danted_conf(tmp_path: Path) -> Path:
    """The page's danted.conf, on a free port, with its log on standard error."""
    changes = {"logoutput: /var/log/danted.log": "logoutput: stderr"}
    changes["port = 1080"] = f"port = {free_port()}"
    if os.geteuid() != 0:
        changes |= {"user.privileged: root\n": "", "user.unprivileged: nobody\n": ""}
    path = tmp_path / "danted.conf"
    path.write_text(block("dante", changes))
    return path


def test_danted_accepts_its_configuration(program: Program, danted_conf: Path) -> None:
    """`danted -V` finds nothing wrong with it."""
    subprocess.run([program("danted"), "-V", "-f", danted_conf], check=True, timeout=PATIENCE)


class Session(asyncio.Protocol):
    """Greets, says goodbye and closes, as SMTP servers do."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(b"220 hello\r\n")

    def data_received(self, data: bytes) -> None:
        """Say goodbye."""
        self.transport.write(b"221 bye\r\n")
        self.transport.close()


async def visit(port: int) -> bytes:
    """Be a client that quits; gives all that it heard."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = await reader.readline()
    writer.write(b"QUIT\r\n")
    heard += await reader.readline()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return heard


async def test_haproxy_lets_clients_wait(
    program: Program, danted_conf: Path, tmp_path: Path
) -> None:
    """Behind Dante and HAProxy, as the page has them, clients that come together are all served."""
    public, bound = free_port(), free_port()
    config = tmp_path / "haproxy.cfg"
    changes = {"127.0.0.1:25\n": f"127.0.0.1:{public}\n", "127.0.0.1:2525": f"127.0.0.1:{bound}"}
    config.write_text(block("haproxy", changes))
    haproxy = program("haproxy")
    subprocess.run([haproxy, "-c", "-q", "-f", config], check=True, timeout=PATIENCE)
    found = re.search(r"port = (\d+)", danted_conf.read_text())
    assert found is not None
    pid_file = tmp_path / "danted.pid"
    with running(program("danted"), "-f", danted_conf, "-p", pid_file, until=" running"):
        listener = await SocksProvider.from_url(f"socks5://127.0.0.1:{found[1]}").create_server(
            Session, Endpoint("0.0.0.0", bound)
        )
        with running(haproxy, "-db", "-V", "-f", config, until="proxy smtp started"):
            heard = await asyncio.gather(*(visit(public) for _ in range(CLIENTS)))
        listener.close()
        await listener.wait_closed()

    assert heard == [b"220 hello\r\n221 bye\r\n"] * CLIENTS
