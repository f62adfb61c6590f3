"""The self-test through an SSH server."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.provider import Call, UnreachedError
from bindpost.proxy.ssh.matrix import REACH_ROWS
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.standin import Answer, SshStandIn

from .bench import (
    ANY,
    FINE,
    HASTY,
    HERE,
    NOT_ACCEPTED,
    NOT_REACHED,
    PATIENCE,
    STEPS,
    UNTESTED,
    cancelled,
    leaving_nothing,
    steps,
    try_out,
)


async def test_ssh(ssh: SshStandIn, tmp_path: Path) -> None:
    """The server connects to what it has bound, by a login of its own."""
    provider = SshProvider(ssh.settings(tmp_path))
    for endpoint in (HERE, ANY):
        hops = await try_out(provider, endpoint, settle=ssh.deserted)

        assert steps(hops) == FINE
    assert ssh.logins == 4


@pytest.mark.parametrize(
    ("key", "endpoint", "found", "connects"),
    [
        ("no-connect", "127.0.0.1:0", UNTESTED, False),
        # The stand-in binds 127.0.0.1 whatever is asked for, as sshd does with GatewayPorts no.
        ("loopback-only", "127.0.0.2:0", NOT_REACHED, True),
    ],
)
async def test_what_an_ssh_server_does(
    ssh: SshStandIn,
    tmp_path: Path,
    key: str,
    endpoint: str,
    found: list[tuple[str, bool | None]],
    connects: bool,
) -> None:
    """Each is found, with its row's hint; `serve` would log nothing."""
    ssh.connects = connects
    provider = SshProvider(ssh.settings(tmp_path))
    hops = await try_out(provider, Endpoint.parse(endpoint), settle=ssh.deserted)

    assert steps(hops) == found
    assert hops[1].hint.startswith(REACH_ROWS[key].hint.partition("{")[0])
    assert hops[1].code is None


async def test_a_second_login_that_fails(ssh: SshStandIn, tmp_path: Path) -> None:
    """A server that lets nobody in a second time leaves the question open."""
    settings = ssh.settings(tmp_path)

    class Locked(SshProvider):
        async def reach(self, address: Endpoint, *, seconds: float) -> Call:
            (tmp_path / "known_hosts").write_text("")
            return await super().reach(address, seconds=seconds)

    hops = await try_out(Locked(settings), settle=ssh.deserted)

    assert steps(hops) == UNTESTED
    assert "not known here" in hops[1].detail


async def test_a_port_that_is_open_nowhere(ssh: SshStandIn, tmp_path: Path) -> None:
    """Where the server connects neither to the address nor to its loopback, nobody does."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]

        with pytest.raises(UnreachedError) as caught:
            await SshProvider(ssh.settings(tmp_path)).reach(HERE.with_port(port), seconds=PATIENCE)

    assert caught.value.finding.ok is False
    assert caught.value.finding.hint.startswith(REACH_ROWS["unreached"].hint.partition("{")[0])


async def test_a_port_that_opens_no_session(ssh: SshStandIn, tmp_path: Path) -> None:
    """A connection that the server makes and nobody answers is the row's own."""
    with socket.create_server(("127.0.0.1", 0)) as other:

        class Astray(SshProvider):
            async def reach(self, address: Endpoint, *, seconds: float) -> Call:
                return await super().reach(Endpoint(*other.getsockname()), seconds=seconds)

        provider = Astray(ssh.settings(tmp_path))
        hops = await try_out(provider, limits=HASTY, settle=ssh.deserted)

    assert steps(hops) == NOT_ACCEPTED
    assert hops[-1].hint.startswith(REACH_ROWS["never-opened"].hint.partition("{")[0])


async def test_a_port_that_ssh_refuses(ssh: SshStandIn, tmp_path: Path) -> None:
    """A bind that is refused is told as `serve` would tell it."""
    ssh.answer = Answer.NOT_PERMITTED
    (hop,) = await try_out(SshProvider(ssh.settings(tmp_path)), settle=ssh.deserted)

    assert (hop.name, hop.ok, hop.code) == ("request", False, 10050)


@pytest.mark.parametrize("turns", [*STEPS, 80, 100, 150, 200])
async def test_cancelling_through_ssh(ssh: SshStandIn, tmp_path: Path, turns: int) -> None:
    """A self-test that is cancelled leaves no login."""
    provider = SshProvider(ssh.settings(tmp_path))
    async with leaving_nothing(ssh.deserted):
        await cancelled(provider, HERE, turns)
