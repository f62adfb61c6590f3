"""What an endpoint means on an SSH host: what is asked for, what peers dial, what is told."""

from __future__ import annotations

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.ssh.gateway import overridden, unsure
from bindpost.proxy.ssh.request import ListenRequest, SocketName, socket_name
from bindpost.proxy.ssh.standin import OVERRIDDEN


def request(text: str) -> ListenRequest:
    """Make the request for an endpoint."""
    return ListenRequest(Endpoint.parse(text))


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("*:25", ""),
        ("0.0.0.0:25", "0.0.0.0"),
        ("[::]:25", "::"),
        ("localhost:25", "localhost"),
        ("127.0.0.1:25", "127.0.0.1"),
        ("mx.example:25", "mx.example"),
    ],
)
def test_the_address_asked_for(endpoint: str, host: str) -> None:
    """The protocol's word for all addresses of all families is an empty name (RFC 4254 7.1)."""
    assert request(endpoint).host == host


@pytest.mark.parametrize(
    ("endpoint", "wildcard", "loopback"),
    [
        ("*:25", True, False),
        ("0.0.0.0:25", True, False),
        ("[::]:25", True, False),
        ("LOCALHOST:25", False, True),
        ("127.0.0.9:25", False, True),
        ("[::1]:25", False, True),
        ("192.0.2.1:25", False, False),
        ("mx.example:25", False, False),
    ],
)
def test_for_whom_it_is(endpoint: str, wildcard: bool, loopback: bool) -> None:
    """A wildcard is for everybody, loopback for programs on the SSH host."""
    asked = request(endpoint)

    assert (asked.is_wildcard, asked.is_loopback) == (wildcard, loopback)


@pytest.mark.parametrize(
    ("endpoint", "dialled"),
    [
        ("0.0.0.0:0", "bastion.example:2525"),
        ("*:0", "bastion.example:2525"),
        ("127.0.0.1:0", "127.0.0.1:2525"),
        ("mx.example:0", "mx.example:2525"),
    ],
)
def test_what_peers_dial(endpoint: str, dialled: str) -> None:
    """Peers dial the SSH host when every address of it is bound, else the endpoint's own host."""
    assert str(request(endpoint).address("bastion.example", 2525)) == dialled


@pytest.mark.parametrize(
    ("endpoint", "peer", "sockname"),
    [
        ("0.0.0.0:25", ("192.0.2.9", 4000), ("198.51.100.1", 25)),
        ("127.0.0.1:25", ("127.0.0.1", 4000), ("127.0.0.1", 25)),
        ("[::1]:25", ("::1", 4000, 0, 0), ("::1", 25, 0, 0)),
        ("localhost:25", ("127.0.0.1", 4000), ("127.0.0.1", 25)),
        ("localhost:25", ("::1", 4000, 0, 0), ("::1", 25, 0, 0)),
        ("localhost:25", None, ("127.0.0.1", 25)),
        ("mx.example:25", None, ("mx.example", 25)),
    ],
)
def test_the_bound_address(endpoint: str, peer: SocketName | None, sockname: SocketName) -> None:
    """A session is told the address that its peer came to, as far as that can be known."""
    assert request(endpoint).sockname("198.51.100.1", 25, peer) == sockname


@pytest.mark.parametrize(
    ("host", "port", "name"),
    [
        ("192.0.2.9", 4000, ("192.0.2.9", 4000)),
        ("2001:db8::9", 4000, ("2001:db8::9", 4000, 0, 0)),
        ("UNKNOWN", 65535, None),
        ("", 0, None),
        ("192.0.2.9", 0, None),
        ("192.0.2.9", 65536, None),
        ("192.0.2.9\r\n", 25, None),
    ],
)
def test_a_peers_name(host: str, port: int, name: SocketName | None) -> None:
    """What the server calls a peer is believed only if it is an address and a port."""
    assert socket_name(host, port) == name


@pytest.mark.parametrize("endpoint", ["0.0.0.0:25", "*:25", "192.0.2.1:25", "mx.example:25"])
def test_a_bind_for_others_is_in_doubt(endpoint: str) -> None:
    """Whatever is meant for other machines may be on loopback only, with GatewayPorts no."""
    doubt = unsure(Endpoint.parse(endpoint), "bastion.example")

    assert doubt is not None
    assert "GatewayPorts clientspecified" in doubt.hint


@pytest.mark.parametrize("endpoint", ["127.0.0.1:25", "[::1]:25", "localhost:25"])
def test_a_bind_on_loopback_is_in_no_doubt(endpoint: str) -> None:
    """What is meant for loopback is there with GatewayPorts no, too."""
    assert unsure(Endpoint.parse(endpoint), "bastion.example") is None


def test_a_wider_bind_is_noticed() -> None:
    """GatewayPorts yes binds every address, and sshd says so in a debug message."""
    endpoint = Endpoint.parse("127.0.0.1:25")

    assert overridden(endpoint, ["key options: pty"]) is None
    assert overridden(endpoint, ["key options: pty", OVERRIDDEN.format("127.0.0.1")]) is not None
