"""The configurations of docs/socks.md, given to the programs that they are for."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.local import free_port
from bindpost.proxy.selftest import self_test
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.testing import Serve
from bindpost.testing.programs import insist

from .doc_blocks import block

PATIENCE = 20.0
"""Seconds for a program to end."""
CLIENTS = 64
HAPROXY = "127.0.0.3"
"""Where HAProxy comes from; the senders come from 127.0.0.1."""

Program = Callable[[str], Path]


@contextmanager
def running(*command: object, until: str = "", pass_fds: tuple[int, ...] = ()) -> Iterator[None]:
    """Run a program; begins when it has written a word, if there is one to wait for."""
    process = subprocess.Popen(
        [str(word) for word in command], stderr=subprocess.PIPE, text=True, pass_fds=pass_fds
    )
    assert process.stderr is not None
    try:
        line = ""
        while until not in line:
            line = process.stderr.readline()
            assert line, f"{command[0]} has ended"
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
    path.write_text(block("socks.md", "dante", changes))
    return path


def test_danted_accepts_its_configuration(program: Program, danted_conf: Path) -> None:
    """`danted -V` finds nothing wrong with it."""
    subprocess.run([program("danted"), "-V", "-f", danted_conf], check=True, timeout=PATIENCE)


@pytest.fixture
def dante_url(program: Program, danted_conf: Path, tmp_path: Path) -> Iterator[str]:
    """The bind path through a Dante with the page's configuration."""
    found = re.search(r"port = (\d+)", danted_conf.read_text())
    assert found is not None
    command = (program("danted"), "-f", danted_conf, "-p", tmp_path / "danted.pid")
    with running(*command, until=" running"):
        yield f"socks5://127.0.0.1:{found[1]}"


@pytest.fixture
def bound() -> int:
    """The port that bindpost binds."""
    return free_port()


@pytest.fixture
def haproxy_port(program: Program, bound: int, tmp_path: Path) -> Iterator[int]:
    """The port of a HAProxy with the page's configuration."""
    config = tmp_path / "haproxy.cfg"
    with socket.create_server(("127.0.0.1", 0), backlog=CLIENTS) as front:
        fd = front.fileno()
        changes = {"127.0.0.1:25\n": f"fd@{fd}\n", "127.0.0.1:2525": f"127.0.0.1:{bound}"}
        changes["maxqueue 256"] = f"maxqueue 256 send-proxy-v2 source {HAPROXY}"
        config.write_text(block("socks.md", "haproxy", changes))
        with running(program("haproxy"), "-db", "-f", config, pass_fds=(fd,)):
            yield front.getsockname()[1]


def test_haproxy_lets_senders_wait(
    program: Program, serve: Serve, tmp_path: Path, dante_url: str, bound: int, haproxy_port: int
) -> None:
    """Behind Dante and HAProxy, as the page has them, 64 that come together lose no mail."""
    source = program("smtp-source")
    (tmp_path / "bindpost.toml").write_text(
        f"[[listener]]\nendpoint = '0.0.0.0:{bound}'\nvia = '{dante_url}'\nproxy_protocol = true\n"
    )
    serving = serve(listen="").wait_ready()

    def send(number: int) -> None:
        envelope = ("-f", f"{number}@example.test", "-t", "to@example.test")
        insist(source, *envelope, f"inet:127.0.0.1:{haproxy_port}")

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(send, range(CLIENTS)))

    rows = serving.client.messages(limit=0)
    senders = Counter(row.envelope.reverse_path for row in rows)
    assert senders == {f"{number}@example.test": 1 for number in range(CLIENTS)}
    assert {str(row.session.peer).rpartition(":")[0] for row in rows} == {"127.0.0.1"}
    assert serving.stop() == 0


async def test_the_self_test_comes_in(dante_url: str) -> None:
    """The page's rule for CONNECT is what the self-test needs."""
    hops = await self_test(SocksProvider.from_url(dante_url), Endpoint("0.0.0.0", 0))

    assert [(hop.name, hop.ok) for hop in hops] == [
        ("bind", True),
        ("reach", True),
        ("accept", True),
        ("peer", True),
    ]
