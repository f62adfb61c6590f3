"""The self-test through OpenSSH's own server, as its own process: who gets in, and who can't."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bindpost.proxy.local import free_port
from bindpost.proxy.ssh.openssh import OpenSshServer

SelfTest = Callable[..., Awaitable[tuple[int, list[dict[str, Any]]]]]
"""Runs `bindpost check --self-test`; see conftest.py."""
TOML = """
[[listener]]
endpoint = "{endpoint}"
via = "bastion"

[path.bastion]
type = "ssh"
host = "{host}"
port = {port}
user = "{user}"
key = "client"
known_hosts = "known_hosts"
"""
CALLED = [("bind", True), ("reach", True), ("accept", True), ("peer", True)]


@pytest.fixture
async def sshd(program: Callable[[str], Path], tmp_path: Path) -> AsyncIterator[OpenSshServer]:
    """An sshd that a test starts as it wants."""
    made = OpenSshServer(program("sshd"), program("ssh-keygen"), tmp_path)
    yield made
    await made.stop()


@pytest.fixture
def test_it(sshd: OpenSshServer, self_test: SelfTest) -> SelfTest:
    """Make the self-test of an endpoint, with the SSH host's address as peers dial it."""

    async def run(endpoint: str, host: str = "127.0.0.1") -> tuple[int, list[dict[str, Any]]]:
        known_hosts = sshd.folder / "known_hosts"
        known_hosts.write_text(known_hosts.read_text().replace("127.0.0.1", host))
        user = sshd.settings().user
        text = TOML.format(endpoint=endpoint, host=host, port=sshd.address.port, user=user)
        (sshd.folder / "bindpost.toml").write_text(text)
        return await self_test(HOME=str(sshd.folder), SSH_AUTH_SOCK="")

    return run


def tried(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the steps of the self-test: those from its own bind on."""
    names = [hop["name"] for hop in verdict["hops"]]
    begun = len(names) - 1 - names[::-1].index("bind")
    hops: list[dict[str, Any]] = verdict["hops"][begun:]
    return hops


def steps(verdict: dict[str, Any]) -> list[tuple[str, bool | None]]:
    """Give the self-test's steps and how they went."""
    return [(hop["name"], hop["ok"]) for hop in tried(verdict)]


async def test_a_port_on_loopback(sshd: OpenSshServer, test_it: SelfTest) -> None:
    """With `AllowTcpForwarding yes` sshd itself comes in; its port is free again afterwards."""
    await sshd.start("AllowTcpForwarding yes")
    port = free_port()
    status, (verdict,) = await test_it(f"127.0.0.1:{port}")

    assert steps(verdict) == CALLED
    assert (status, verdict["code"], verdict["reachable"]) == (0, None, True)
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_sshd_that_connects_for_nobody(sshd: OpenSshServer, test_it: SelfTest) -> None:
    """With `AllowTcpForwarding remote` the port is bound, and can't be looked at: no failure."""
    await sshd.start("AllowTcpForwarding remote")
    status, (verdict,) = await test_it("127.0.0.1:0")

    assert steps(verdict) == [("bind", True), ("reach", None), ("accept", None)]
    assert "AllowTcpForwarding yes" in tried(verdict)[1]["hint"]
    assert (status, verdict["reachable"]) == (0, None)


@pytest.mark.parametrize("endpoint", ["0.0.0.0:0", "127.0.0.2:0"])
async def test_gateway_ports_no(sshd: OpenSshServer, test_it: SelfTest, endpoint: str) -> None:
    """What no walk sees: sshd says yes, and listens on 127.0.0.1 only. `serve` logs nothing."""
    await sshd.start("GatewayPorts no", f"ListenAddress 127.0.0.2:{sshd.address.port}")
    status, (verdict,) = await test_it(endpoint, "127.0.0.2")

    assert steps(verdict) == [("bind", True), ("reach", False), ("accept", None)]
    assert "loopback addresses only" in tried(verdict)[1]["detail"]
    assert "GatewayPorts" in tried(verdict)[1]["hint"]
    assert (status, verdict["code"], verdict["reachable"]) == (69, None, False)
    assert verdict["sentence"].startswith("serve would bind it, but no peer can reach it: ")


async def test_gateway_ports_clientspecified(sshd: OpenSshServer, test_it: SelfTest) -> None:
    """The cure of that: the port is open on the address that peers dial."""
    await sshd.start("GatewayPorts clientspecified", f"ListenAddress 127.0.0.2:{sshd.address.port}")
    status, (verdict,) = await test_it("0.0.0.0:0", "127.0.0.2")

    assert steps(verdict) == CALLED
    assert tried(verdict)[1]["target"].startswith("127.0.0.2:")
    assert status == 0


async def test_ipv6_only(sshd: OpenSshServer, test_it: SelfTest) -> None:
    """A port on IPv6 at a host that was reached over IPv4 is not called closed."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback on this machine")
    await sshd.start("GatewayPorts clientspecified")
    status, (verdict,) = await test_it("[::]:0")

    assert steps(verdict) == [("bind", True), ("reach", None), ("accept", None)]
    assert "IPv6" in tried(verdict)[1]["detail"]
    assert status == 0
