"""Starts bindpost as its own process, as users do, and talks to it from outside."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from bindpost.proxy.local import free_port
from bindpost.proxy.socks.dante import Dante
from bindpost.proxy.ssh.openssh import OpenSshServer
from bindpost.testing import Serve, Serving
from bindpost.testing.postgres import PostgresServer
from bindpost.testing.programs import running


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start `bindpost serve` on free ports; whatever still runs at the end is ended by its pid."""
    started: list[Serving] = []

    def start(*arguments: str, listen: str = "127.0.0.1:0", prefix: Sequence[str] = ()) -> Serving:
        defaults = ["--web", "127.0.0.1:0", "--data", str(tmp_path / "data")]
        if listen:
            defaults += ["--listen", listen]
        serving = Serving([*defaults, *arguments], folder=tmp_path, prefix=prefix)
        started.append(serving)
        return serving

    yield start
    for serving in started:
        serving.cleanup()


PATIENCE: Final = 20.0


class StartNotifying(Protocol):
    """Starts a daemon in the foreground, and returns when it has said that it is ready."""

    def __call__(self, *command: str | Path) -> subprocess.Popen[bytes]:
        """Start it."""
        ...


@pytest.fixture
def start_notifying(tmp_path: Path) -> Iterator[StartNotifying]:
    """Start daemons that tell their readiness as sd_notify(3) says; end them by their pid."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str | Path) -> subprocess.Popen[bytes]:
        path = tmp_path / f"notify{len(started)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(str(path))
            notified.settimeout(PATIENCE)
            process = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"NOTIFY_SOCKET": str(path)},
            )
            started.append(process)
            while b"READY=1" not in notified.recv(4096).splitlines():
                pass
        return process

    yield start
    for process in started:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture
def dante(program: Callable[[str], Path], tmp_path: Path) -> Iterator[Dante]:
    """A Dante that is not started yet."""
    made = Dante(program("danted"), tmp_path)
    yield made
    made.kill()


class Sshd:
    """An OpenSshServer for tests that run on no loop."""

    def __init__(self, server: OpenSshServer, portal: BlockingPortal) -> None:
        self.server = server
        self._portal = portal

    def start(self, *options: str) -> None:
        """Start it with these lines of sshd_config."""
        self._portal.call(self.server.start, *options)

    def kill(self) -> None:
        """Kill it and its logins."""
        self._portal.call(self.server.stop)


@pytest.fixture
def sshd(program: Callable[[str], Path], tmp_path: Path) -> Iterator[Sshd]:
    """An sshd that is not started yet."""
    folder = tmp_path / "sshd"
    folder.mkdir()
    with start_blocking_portal() as portal:
        made = Sshd(OpenSshServer(program("sshd"), program("ssh-keygen"), folder), portal)
        yield made
        made.kill()


SQUID = """\
http_port 127.0.0.1:{port}
visible_hostname proxy.example
pid_filename none
cache_log /dev/null
access_log none
cache_store_log none
netdb_filename none
cache deny all
pinger_enable off
shutdown_lifetime 0 seconds
acl mail port {allowed}
acl CONNECT method CONNECT
http_access deny CONNECT !mail
http_access allow CONNECT localhost
http_access deny all
"""


@pytest.fixture
def squid(program: Callable[[str], Path], tmp_path: Path) -> Iterator[Callable[[int], str]]:
    """
    Start a squid that connects to one port only; gives its HOST:PORT.

    It keeps nothing. Started by root it changes to a user of its own, who may not write here.
    """
    path = program("squid")
    with ExitStack() as stack:

        def start(allowed: int) -> str:
            port = free_port()
            config = tmp_path / "squid.conf"
            config.write_text(SQUID.format(port=port, allowed=allowed))
            return stack.enter_context(running(port, path, "-N", "-f", config))

        yield start


Node = Callable[..., Serving]
"""Starts one more node of an inbox in PostgreSQL; returns when it is ready."""


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """Give the URL of a schema without tables."""
    with postgres.new_schema() as url:
        yield url


@pytest.fixture
def named_node(serve: Serve, url: str, tmp_path: Path) -> Node:
    """Give what starts a node of a name, whose data folder is called like it."""

    def start(name: str, *arguments: str, listen: str = "127.0.0.1:0") -> Serving:
        own = ("--data", str(tmp_path / name), "--store", url, "--node", name)
        return serve(*own, *arguments, listen=listen).wait_ready()

    return start


@pytest.fixture
def node(named_node: Node) -> Node:
    """Give what starts one more node, with a data folder of its own."""
    names = (f"node{number}" for number in count())

    def start(*arguments: str, listen: str = "127.0.0.1:0") -> Serving:
        return named_node(next(names), *arguments, listen=listen)

    return start


BALANCED = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 2m
    timeout server 2m
frontend smtp
    bind 127.0.0.1:{port}
    default_backend nodes
backend nodes
    balance roundrobin
{servers}
"""


@dataclass(frozen=True)
class Balanced:
    """Three nodes of one inbox, each on a host of its own, and where HAProxy takes their mail."""

    nodes: Sequence[Serving]
    hosts: Sequence[str]
    smtp: tuple[str, int]


@pytest.fixture
def balanced(node: Node, program: Callable[[str], Path], tmp_path: Path) -> Iterator[Balanced]:
    """Three nodes behind HAProxy, which tells them by the PROXY protocol who comes."""
    haproxy = program("haproxy")
    hosts, nodes, servers = ["127.0.0.1", "127.0.0.2", "127.0.0.3"], [], ""
    for host in hosts:
        settings = tmp_path / f"{host}.toml"
        settings.write_text(f'[[listener]]\nendpoint = "{host}:0"\nproxy_protocol = true\n')
        nodes.append(node("--config", str(settings), listen=""))
        servers += "    server {0} {0}:{1} send-proxy-v2\n".format(*nodes[-1].smtp)
    port, file = free_port(), tmp_path / "haproxy.cfg"
    file.write_text(BALANCED.format(port=port, servers=servers))
    with running(port, haproxy, "-db", "-f", file):
        yield Balanced(nodes, hosts, ("127.0.0.1", port))


SelfTest = Callable[..., Awaitable[tuple[int, list[dict[str, Any]]]]]


@pytest.fixture
def self_test(tmp_path: Path) -> SelfTest:
    """Run `bindpost check --self-test`; gives the exit status and its result, one a listener."""

    async def run(*arguments: str, **environment: str) -> tuple[int, list[dict[str, Any]]]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bindpost", "check", "--self-test", "--json", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=tmp_path,
            env={**os.environ, **environment},
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        assert b"Traceback" not in err, err.decode()
        return process.returncode, json.loads(out)

    return run
