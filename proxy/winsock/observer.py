"""Tells what a stand-in server does, from the datagrams that its tap shows."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from bindpost import events

from ..watch import Watch
from .codec import Packet
from .messages import (
    Acknowledgement,
    AddressInUse,
    Authentication,
    Bind,
    BindAck,
    BindInfo,
    Hello,
    Message,
    Refusal,
    SessionEnd,
    TcpBind,
)
from .wire import Address, CodecError

CLIENTS: Final = 4096
"""Addresses that are remembered; the one that was heard longest ago goes first."""
ANNOUNCED: Final = 1024
"""Peers of one client that are remembered, so that a notice that is sent again is told once."""
_NO_ID: Final = bytes(4)


@dataclass(slots=True)
class _Client:
    """What is known of an address that sends proper datagrams."""

    hello: Hello | None = None
    client_id: bytes = b""
    server_id: bytes = b""
    in_session: bool = False
    wish: str = ""
    """What it last asked for that can be refused, and why it would be."""
    port: int = 0
    """What it last wanted to have bound."""
    announced: set[tuple[Address, int]] = field(default_factory=set)


class Observer:
    """
    A tap that tells `watch` of sessions, binds, refusals, peers and dropped datagrams.

    It sees what goes over the wire and nothing else: a session that the server forgets in silence
    shows when its client speaks again.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._clients: OrderedDict[Address, _Client] = OrderedDict()

    def tap(self, way: str, source: Address, destination: Address, datagram: bytes) -> None:
        """See one datagram; never raises."""
        packet: Packet | None = None
        problem = ""
        try:
            packet = Packet.loads(datagram)
        except CodecError as error:
            problem = f"it is no message: {error}"
        if way == "out":
            if packet is not None:
                self._sent(packet, destination)
            return
        if source == destination:
            problem = "it has this server's own address and port as its source (MS03-012)"
        elif packet is not None:
            problem = self._received(packet, source)
        if problem:
            self._watch(
                events.STANDIN_DROPPED, reason=problem, client=_name(source), bytes=len(datagram)
            )

    def _received(self, packet: Packet, source: Address) -> str:
        """Take a client's message; gives why it was dropped, if it was."""
        client = self._clients.get(source)
        if isinstance(packet.message, Hello):
            self._greeted(packet, packet.message, source, client)
            return ""
        if client is None or not client.in_session:
            return "its client has no session; it must greet first"
        if (packet.client_id, packet.server_id) != (client.client_id, client.server_id):
            return "it is of another session"
        self._clients.move_to_end(source)
        match packet.message:
            case Bind(port=port):
                client.port, client.wish = port, f"port {port} is not allowed"
            case TcpBind():
                client.wish = "it cannot listen"
            case Authentication():
                client.wish = "its login is not accepted"
            case SessionEnd():
                del self._clients[source]
                self._watch(events.STANDIN_ENDED, client=_name(source))
        return ""

    def _greeted(
        self, packet: Packet, hello: Hello, source: Address, client: _Client | None
    ) -> None:
        """Keep a second hello until its answer shows that it began a session."""
        if packet.server_id == _NO_ID or (
            client is not None and client.in_session and client.client_id == packet.client_id
        ):
            return
        self._clients[source] = _Client(
            hello=hello, client_id=packet.client_id, server_id=packet.server_id
        )
        self._clients.move_to_end(source)
        while len(self._clients) > CLIENTS:
            self._clients.popitem(last=False)

    def _sent(self, packet: Packet, destination: Address) -> None:
        client = self._clients.get(destination)
        if client is None or packet.server_id != client.server_id:
            return
        if not client.in_session:
            if isinstance(packet.message, Acknowledgement):
                self._begun(client, destination)
            return
        self._told(packet.message, client, _name(destination))

    def _begun(self, client: _Client, address: Address) -> None:
        client.in_session = True
        assert client.hello is not None
        self._watch(
            events.STANDIN_SESSION,
            client=_name(address),
            user=client.hello.user,
            program=client.hello.executable,
            computer=client.hello.computer,
        )

    def _told(self, message: Message, client: _Client, name: str) -> None:
        match message:
            case BindAck(external=external):
                self._watch(events.STANDIN_BOUND, address=_name(external), client=name)
            case AddressInUse():
                reason = f"port {client.port} is in use"
                self._watch(events.STANDIN_REFUSED, reason=reason, client=name)
            case Refusal() as refusal:
                reason = f"{client.wish} ({refusal.command:#06x})"
                self._watch(events.STANDIN_REFUSED, reason=reason, client=name)
            case BindInfo(peer=peer, internal_port=port) if (peer, port) not in client.announced:
                if len(client.announced) >= ANNOUNCED:
                    client.announced.clear()
                client.announced.add((peer, port))
                self._watch(events.STANDIN_ANNOUNCED, client=name, peer=_name(peer))


def _name(address: Address) -> str:
    return f"{address.host}:{address.port}"
