"""Who a session behind the PROXY protocol sees."""

from __future__ import annotations

import ssl
from ipaddress import ip_address

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.haproxy.codec import Command, Header, TcpRoute, UnixRoute, dumps
from bindpost.proxy.haproxy.tlv import Kind, Ssl, Tlv
from bindpost.proxy.provider import Hop, Listener, ProtocolFactory, Report
from bindpost.proxy.transport import proxied

from .bench import ROUTE, V1, V2, Bench, Echo, listening


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_the_real_peer(bench: Bench, sessions: list[Echo], header: bytes) -> None:
    """Both ends are those of the header, and the bind path is told."""
    peer = await bench.connect(header)
    await peer.say(b"hello")

    assert sessions[0].told("peername", "sockname", "via", "proxy_tlvs") == [
        ("192.0.2.1", 56324),
        ("198.51.100.2", 25),
        "direct:",
        {},
    ]


async def test_ipv6_peer(bench: Bench, sessions: list[Echo]) -> None:
    """An IPv6 peer's name has four parts, as on an IPv6 socket."""
    route = TcpRoute(ip_address("2001:db8::1"), 56324, ip_address("2001:db8::2"), 25)
    peer = await bench.connect(dumps(Header(version=1, route=route)))
    await peer.say(b"hello")

    assert sessions[0].told("peername") == [("2001:db8::1", 56324, 0, 0)]


async def test_ipv4_peer_written_as_ipv6(bench: Bench, sessions: list[Echo]) -> None:
    """An IPv4 peer that dialled an IPv6 address is an IPv4 peer."""
    route = TcpRoute(ip_address("::ffff:192.0.2.1"), 56324, ip_address("2001:db8::2"), 25)
    peer = await bench.connect(dumps(Header(version=2, route=route)))
    await peer.say(b"hello")

    assert sessions[0].told("peername") == [("192.0.2.1", 56324)]


async def test_unix_peer(bench: Bench, sessions: list[Echo]) -> None:
    """The peer of a Unix socket has a path for a name."""
    header = Header(version=2, route=UnixRoute(b"/run/client", b"/run/haproxy"))
    peer = await bench.connect(dumps(header))
    await peer.say(b"hello")

    assert sessions[0].told("peername", "sockname") == ["/run/client", "/run/haproxy"]


@pytest.mark.parametrize(
    "header",
    [Header(version=1), Header(version=2), Header(version=2, command=Command.LOCAL)],
    ids=["unknown", "unspecified", "local"],
)
async def test_the_sender_is_the_peer(bench: Bench, sessions: list[Echo], header: Header) -> None:
    """Where the header names nobody, as in a health check, the connection's own names count."""
    peer = await bench.connect(dumps(header))
    await peer.say(b"hello")
    (address,) = bench.listener.addresses

    assert sessions[0].told("peername", "sockname") == [peer.name, (address.host, address.port)]


async def test_pieces(bench: Bench, sessions: list[Echo]) -> None:
    """What a header tells beside the addresses is extra info, by name."""
    ssl_piece = Ssl(client=1, verify=0, tlvs=(Tlv(Kind.SSL_VERSION, b"TLSv1.3"),))
    tlvs = (Tlv(Kind.UNIQUE_ID, b"id-1"), ssl_piece.dumps())
    peer = await bench.connect(dumps(Header(version=2, route=ROUTE, tlvs=tlvs)))
    await peer.say(b"hello")

    assert sessions[0].told("proxy_tlvs") == [
        {"UNIQUE_ID": "id-1", "SSL_CLIENT": 1, "SSL_VERIFY": 0, "SSL_VERSION": "TLSv1.3"}
    ]


class AlreadyProxied:
    """Binds on this machine, with transports that say that the peer is somebody else."""

    url = "winsock://10.0.0.1:1745"

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        *,
        ssl: ssl.SSLContext | None = None,
        report: Report | None = None,
    ) -> Listener:
        """Bind."""
        facts = {"peername": ("10.9.9.9", 1), "via": self.url}
        return await DirectProvider().create_server(proxied(protocol_factory, facts), endpoint)

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """Say nothing."""
        return []


async def test_behind_another_proxy(sessions: list[Echo]) -> None:
    """The sender is whom the path below tells, and the header comes before what that tells."""
    async with listening(
        lambda: Echo(sessions), inner=AlreadyProxied(), trusted=("10.9.9.0/24",)
    ) as bench:
        peer = await bench.connect(V2)
        await peer.say(b"hello")

        assert sessions[0].told("peername", "via") == [
            ("192.0.2.1", 56324),
            "winsock://10.0.0.1:1745",
        ]
