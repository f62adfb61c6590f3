"""What a diagnosis says of a bind by SSH."""

from __future__ import annotations

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.standin import SshStandIn

from .bench import HERE, Bind, Log


async def names_of(provider: SshProvider, endpoint: Endpoint) -> list[tuple[str, bool | None]]:
    """Diagnose, in short."""
    return [(hop.name, hop.ok) for hop in await provider.diagnose(endpoint)]


GOOD = [("resolve", True), ("connect", True), ("greeting", True), ("auth", True)]


async def test_diagnosis_binds_nothing(provider: SshProvider, standin: SshStandIn) -> None:
    """Every hop is walked up to the login; the request is only told of."""
    hops = await provider.diagnose(HERE)

    assert [(hop.name, hop.ok) for hop in hops] == [*GOOD, ("bind", True)]
    assert "OpenSSH" in hops[2].detail
    assert "SHA256:" in hops[3].detail
    assert all(hop.milliseconds >= 0 for hop in hops)
    assert standin.requests == []


async def test_diagnosis_of_a_wildcard(provider: SshProvider) -> None:
    """What GatewayPorts makes of it is a hop that can't be walked."""
    assert await names_of(provider, Endpoint.parse("0.0.0.0:0")) == [
        *GOOD,
        ("bind", True),
        ("gateway", None),
    ]


async def test_diagnosis_of_a_taken_port(provider: SshProvider, bind: Bind) -> None:
    """A port at which something answers on the SSH host would be refused."""
    listener = await bind()

    hop = (await provider.diagnose(listener.addresses[0]))[-1]

    assert (hop.name, hop.ok, hop.code) == ("bind", False, 10048)


async def test_a_unix_socket_cannot_be_bound_there(provider: SshProvider, log: Log) -> None:
    """The path has TCP ports only; that is said before anything is sent."""
    endpoint = Endpoint.parse("unix:/run/mail")
    with pytest.raises(BindError) as caught:
        await provider.create_server(log.session, endpoint)

    assert (caught.value.code, caught.value.hop) == (10050, "request")
    assert await names_of(provider, endpoint) == [("request", False)]
