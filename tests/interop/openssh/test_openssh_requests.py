"""What sshd makes of a request to listen: rules, keys with restrictions, taken ports, wildcards."""

from __future__ import annotations

import socket

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.local import free_port
from bindpost.proxy.ssh.openssh import OpenSshServer
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.testing.logged import all_said

from .bench import HERE, bound, refusal, visit


@pytest.mark.parametrize(
    "option", ["AllowTcpForwarding no", "AllowTcpForwarding local", "DisableForwarding yes"]
)
async def test_no_forwarding(sshd: OpenSshServer, option: str) -> None:
    """A server that forwards no ports says so in a debug message."""
    await sshd.start(option)

    error = await refusal(sshd)

    assert (error.code, error.hop) == (10050, "request")
    assert "AllowTcpForwarding" in error.hint


async def test_a_restricted_key(sshd: OpenSshServer, provider: SshProvider) -> None:
    """A key that may forward nothing is refused, and the diagnosis knows without asking."""
    keys = sshd.folder / "authorized_keys"
    keys.write_text(f"restrict {keys.read_text()}")
    await sshd.start()

    error = await refusal(sshd)
    hops = await provider.diagnose(HERE.with_port(free_port()))

    assert (error.code, error.hop) == (10050, "request")
    assert "restrict" in error.hint
    assert (hops[-1].ok, hops[-1].code) == (False, 10050)
    assert "so say the options of the key" in hops[-1].detail


async def test_another_port_is_permitted(sshd: OpenSshServer) -> None:
    """PermitListen that names other ports is told from a port that is taken."""
    await sshd.start("PermitListen 127.0.0.1:1")

    error = await refusal(sshd, HERE.with_port(free_port()))

    assert (error.code, error.hop) == (10050, "request")
    assert "PermitListen" in error.hint


async def test_the_very_port_is_permitted(sshd: OpenSshServer, provider: SshProvider) -> None:
    """PermitListen with the endpoint lets it be bound, and nothing else."""
    endpoint = HERE.with_port(free_port())
    await sshd.start(f"PermitListen {endpoint}")

    async with bound(provider, endpoint) as listener:
        assert listener.addresses == (endpoint,)
    assert "PermitListen" in (await refusal(sshd)).hint  # port 0


async def test_a_taken_port(sshd: OpenSshServer, provider: SshProvider) -> None:
    """A port that somebody holds there is 10048, and the diagnosis sees it, too."""
    await sshd.start()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        endpoint = HERE.with_port(sock.getsockname()[1])

        error = await refusal(sshd, endpoint)
        hops = await provider.diagnose(endpoint)

    assert (error.code, error.hop) == (10048, "bind")
    assert (hops[-1].ok, hops[-1].code) == (False, 10048)


async def test_an_address_that_it_has_not(sshd: OpenSshServer) -> None:
    """An address of somebody else's is no taken port."""
    await sshd.start("GatewayPorts clientspecified")

    error = await refusal(sshd, Endpoint.parse("192.0.2.1:0"))

    assert (error.code, error.hop) == (10050, "bind")
    assert "10049" in error.detail


async def test_a_wildcard_on_loopback(sshd: OpenSshServer, provider: SshProvider) -> None:
    """With GatewayPorts no, sshd says yes to 0.0.0.0 and binds loopback: hence the warning."""
    await sshd.start("GatewayPorts no")
    with all_said() as logs:
        # Not port 0: sshd would be given one for ::1 that may be taken on 127.0.0.1.
        async with bound(provider, Endpoint("0.0.0.0", free_port())) as listener:
            own, told = await visit(listener.addresses[0].port)

    assert own == told
    assert "loopback addresses" in logs[0]["event"]


async def test_a_diagnosis(sshd: OpenSshServer, provider: SshProvider) -> None:
    """Every hop is walked and timed; sshd tells its version."""
    await sshd.start()

    hops = await provider.diagnose(HERE.with_port(free_port()))

    assert [(hop.name, hop.ok) for hop in hops] == [
        ("resolve", True),
        ("connect", True),
        ("greeting", True),
        ("auth", True),
        ("bind", True),
    ]
    assert hops[2].detail.startswith("SSH-2.0-OpenSSH_")
    assert "nothing answers there now" in hops[4].detail
