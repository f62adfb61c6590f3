"""A proxy whose machine vanishes, in network namespaces of the test's own: missed, bound again."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from bindpost.client import Client
from bindpost.events import PATH_LOST, PATH_RECOVERED
from bindpost.proxy.local import free_port
from bindpost.proxy.socks.dante import Dante
from bindpost.proxy.ssh.openssh import OpenSshServer
from bindpost.testing import PATIENCE, Serve, moment

HERE = "10.203.116.1"
THERE = "10.203.116.2"
CLIENT = "10.203.116.9"
"""bindpost's machine, the proxy's, and the address from which mail comes there."""
ATTEMPT = 15.0
"""Longest time from attempt to attempt to bind again: 10 s for its connect, 5 s of pause."""
SLACK = 3.0
"""Seconds that a busy machine may take to do what is due."""

Program = Callable[[str], Path]


class Link:
    """Two machines, namespaces both, with a cable between them."""

    def __init__(self, ip: Path) -> None:
        self._ip = ip
        self.here = f"bindpost-{os.getpid()}-here"
        self.there = f"bindpost-{os.getpid()}-there"

    def run(self, *command: str) -> None:
        """Run `ip` with these words."""
        subprocess.run([self._ip, *command], check=True, timeout=PATIENCE)

    def lay(self) -> None:
        """Make the machines and the cable; nothing of them is seen on this machine's own net."""
        try:
            subprocess.run([self._ip, "netns", "add", self.here], check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not permitted here: {error.stderr.decode()}")
        self.run("netns", "add", self.there)
        cable = ("type", "veth", "peer", "name", "cable", "netns", self.there)
        self.run("-n", self.here, "link", "add", "cable", *cable)
        for machine, addresses in ((self.here, [HERE]), (self.there, [THERE, CLIENT])):
            for address in addresses:
                self.run("-n", machine, "address", "add", f"{address}/24", "dev", "cable")
            for device in ("lo", "cable"):
                self.run("-n", machine, "link", "set", device, "up")

    def on(self, machine: str) -> list[str]:
        """Give the command that runs another one on a machine."""
        return [str(self._ip), "netns", "exec", machine]

    def cut(self, how: str) -> None:
        """Let what is sent vanish: the proxy's link is `down`, or its answers go to a `hole`."""
        if how == "down":
            self.run("-n", self.there, "link", "set", "cable", "down")
        else:
            self.run("-n", self.there, "route", "add", "blackhole", f"{HERE}/32")

    def mend(self, how: str) -> None:
        """Undo it."""
        if how == "down":
            self.run("-n", self.there, "link", "set", "cable", "up")
        else:
            self.run("-n", self.there, "route", "delete", "blackhole", f"{HERE}/32")

    def remove(self) -> None:
        """Remove the machines, and with them the cable."""
        for machine in (self.here, self.there):
            subprocess.run([self._ip, "netns", "delete", machine], check=False, capture_output=True)


@pytest.fixture
def link(program: Program) -> Iterator[Link]:
    """Two machines and their cable."""
    if os.geteuid() != 0:
        pytest.skip("only root may make network namespaces")
    made = Link(program("ip"))
    try:
        made.lay()
        yield made
    finally:
        made.remove()


Start = Callable[[int, int], str]
"""Starts a proxy over there for a port and a keepalive; gives the settings of a listener."""


@pytest.fixture
def socks(program: Program, link: Link, tmp_path: Path) -> Iterator[Start]:
    """Dante, which gives up a bind whose owner has gone after three seconds."""
    prefix = link.on(link.there)
    made = Dante(program("danted"), tmp_path, host=THERE, prefix=prefix, keepalive=(1, 1, 2))

    def start(port: int, keepalive: int) -> str:
        made.start()
        return (
            f"[[listener]]\nendpoint = '0.0.0.0:{port}'\nvia = 'proxy'\n"
            f"[path.proxy]\ntype = 'socks'\nurl = '{made.url()}'\nkeepalive = {keepalive}\n"
        )

    yield start
    made.kill()


@pytest.fixture
def ssh(program: Program, link: Link, tmp_path: Path) -> Iterator[Start]:
    """An sshd that ends a login whose machine has gone after three seconds."""
    with start_blocking_portal() as portal:
        made = OpenSshServer(
            program("sshd"),
            program("ssh-keygen"),
            tmp_path,
            host=THERE,
            prefix=link.on(link.there),
        )

        def start(port: int, keepalive: int) -> str:
            alive = ("ClientAliveInterval 1", "ClientAliveCountMax 2")
            portal.call(made.start, *alive, "GatewayPorts clientspecified")
            return (
                f"[[listener]]\nendpoint = '{THERE}:{port}'\nvia = 'proxy'\n"
                f"[path.proxy]\n{made.table}keepalive = {keepalive}\n"
            )

        yield start
        portal.call(made.stop)


@pytest.mark.parametrize(
    ("path", "how", "keepalive", "missed"),
    [
        ("socks", "down", 2, 4),
        ("ssh", "hole", 1, 4),
        pytest.param("socks", "hole", 40, 80, marks=[pytest.mark.long, pytest.mark.timeout(110)]),
        pytest.param("ssh", "down", 15, 60, marks=[pytest.mark.long, pytest.mark.timeout(110)]),
    ],
)
def test_a_proxy_that_vanishes(
    request: pytest.FixtureRequest,
    program: Program,
    link: Link,
    serve: Serve,
    tmp_path: Path,
    path: str,
    how: str,
    keepalive: int,
    missed: int,
) -> None:
    """It is missed in the documented time, told by 103 and 4007, and bound again afterwards."""
    swaks = program("swaks")
    start: Start = request.getfixturevalue(path)
    port = free_port()
    (tmp_path / "bindpost.toml").write_text(start(port, keepalive))
    web = f"unix:{tmp_path}/web"
    serving = serve("--web", web, listen="", prefix=link.on(link.here)).wait_ready()

    cut_at = time.time()
    link.cut(how)
    lost = serving.wait_for_event(PATH_LOST.id, patience=missed + PATIENCE)
    failure = serving.wait_for_event(4007)
    mended_at = time.time()
    link.mend(how)
    back = serving.wait_for_event(PATH_RECOVERED.id)
    send(link.on(link.there), swaks, port)

    assert moment(lost) - cut_at <= missed + SLACK
    assert moment(back) - mended_at <= ATTEMPT + SLACK
    assert (lost["Data"][-1], failure["Data"]) == ("10050", ["10050"])
    assert failure["bindpost"]["hop"] == "accept"
    client = Client(web)
    (row,) = client.messages()
    peer = client.message(row.id).session.peer
    assert peer is not None
    assert peer.startswith(f"{CLIENT}:")
    assert serving.stop() == 0


def send(prefix: Sequence[str], swaks: Path, port: int) -> None:
    """Send a mail over there."""
    envelope = ("--from", "a@example.test", "--to", "b@example.test")
    done = subprocess.run(
        [*prefix, swaks, "--server", THERE, "--port", str(port), "-li", CLIENT, *envelope],
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
