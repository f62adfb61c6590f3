"""What a stand-in's tap tells: sessions, binds, refusals, peers, and what was dropped and why."""

from dataclasses import replace

import pytest

from bindpost import events
from bindpost.events import EventType
from bindpost.proxy.winsock.codec import Packet
from bindpost.proxy.winsock.messages import (
    Acknowledgement,
    AddressInUse,
    Authentication,
    Bind,
    BindAck,
    BindInfo,
    Hello,
    HelloAck,
    Message,
    Refusal,
    SessionEnd,
    TcpBind,
)
from bindpost.proxy.winsock.observer import ANNOUNCED, CLIENTS, Observer
from bindpost.proxy.winsock.wire import Address

PROXY, CLIENT = Address("10.0.0.1", 1745), Address("10.0.0.9", 3000)
OUTSIDE, PEER = Address("203.0.113.5", 25), Address("198.51.100.77", 33221)
BIND_ID = b"bind"
HELLO = Hello(user="mailsvc", executable="MSEXCIMC.EXE", computer="EXCH01")


class Wire:
    """An observer, and a session whose datagrams it is shown."""

    def __init__(self) -> None:
        self.told: list[tuple[EventType, dict[str, object]]] = []
        self.observer = Observer(self._watch)

    def _watch(self, event: EventType, /, **fields: object) -> None:
        self.told.append((event, fields))

    def heard(
        self,
        message: Message,
        *,
        source: Address = CLIENT,
        client_id: bytes = b"abcd",
        server_id: bytes = b"wxyz",
    ) -> None:
        """Show a client's message."""
        data = Packet(message=message, client_id=client_id, server_id=server_id).dumps()
        self.observer.tap("in", source, PROXY, data)

    def said(self, message: Message, *, to: Address = CLIENT) -> None:
        """Show the server's message."""
        data = Packet(message=message, client_id=b"abcd", server_id=b"wxyz").dumps()
        self.observer.tap("out", PROXY, to, data)

    def greet(self, client: Address = CLIENT) -> None:
        """Show a greeting."""
        self.heard(HELLO, source=client, server_id=bytes(4))
        self.said(HelloAck(control=PROXY), to=client)
        self.heard(HELLO, source=client)
        self.said(Acknowledgement(), to=client)


@pytest.fixture
def wire() -> Wire:
    """Give an observer whose client has greeted, with nothing told so far."""
    wire = Wire()
    wire.greet()
    assert wire.told == [
        (
            events.STANDIN_SESSION,
            {
                "client": "10.0.0.9:3000",
                "user": "mailsvc",
                "program": "MSEXCIMC.EXE",
                "computer": "EXCH01",
            },
        )
    ]
    wire.told.clear()
    return wire


def test_a_bind_and_its_end_are_told(wire: Wire) -> None:
    """What was bound, for whom, and that the session is over."""
    wire.heard(Bind(port=25, local_port=25))
    wire.said(BindAck(bind_id=BIND_ID, external=OUTSIDE))
    wire.heard(SessionEnd())

    assert wire.told == [
        (events.STANDIN_BOUND, {"address": "203.0.113.5:25", "client": "10.0.0.9:3000"}),
        (events.STANDIN_ENDED, {"client": "10.0.0.9:3000"}),
    ]


@pytest.mark.parametrize(
    ("request_", "answer", "reason"),
    [
        (Bind(port=25, local_port=25), Refusal(operation=4), "port 25 is not allowed (0x0804)"),
        (Bind(port=25, local_port=25), AddressInUse(), "port 25 is in use"),
        (
            TcpBind(bind_id=BIND_ID, local_port=25),
            Refusal(operation=7),
            "it cannot listen (0x0807)",
        ),
        (
            Authentication(sub_code=Authentication.AUTHENTICATE, token=b"NTLMSSP\0"),
            Refusal(operation=1),
            "its login is not accepted (0x0801)",
        ),
    ],
    ids=["port", "in use", "listen", "login"],
)
def test_a_refusal_says_what_of(
    wire: Wire, request_: Message, answer: Message, reason: str
) -> None:
    """The reason is that of the request that was refused."""
    wire.heard(request_)
    wire.said(answer)

    assert wire.told == [(events.STANDIN_REFUSED, {"reason": reason, "client": "10.0.0.9:3000"})]


def test_a_peer_is_told_once(wire: Wire) -> None:
    """A notice that is sent again is the same peer; another port is another."""
    notice = BindInfo(bind_id=BIND_ID, peer=PEER, internal_port=40001, external=OUTSIDE)
    for port in (33221, 33222, 33221, 33222):
        wire.said(replace(notice, peer=Address(PEER.host, port)))

    assert [fields["peer"] for _, fields in wire.told] == [
        "198.51.100.77:33221",
        "198.51.100.77:33222",
    ]


def test_many_peers_are_all_told(wire: Wire) -> None:
    """What is remembered of peers is bounded, and none is kept back for it."""
    notice = BindInfo(bind_id=BIND_ID, peer=PEER, internal_port=40001, external=OUTSIDE)
    for port in range(1, ANNOUNCED + 3):
        wire.said(replace(notice, peer=Address(PEER.host, port)))

    assert len(wire.told) == ANNOUNCED + 2


def test_a_keep_alive_is_no_new_session(wire: Wire) -> None:
    """A hello within a session, and its answer, tell nothing."""
    wire.heard(HELLO)
    wire.said(Acknowledgement())

    assert wire.told == []


def test_an_unanswered_hello_is_no_session() -> None:
    """Who knows no server id that was given out gets no answer, and nothing is told."""
    wire = Wire()

    wire.heard(HELLO)

    assert wire.told == []


def dropped(wire: Wire) -> str:
    """Give the reason of the one datagram that was dropped."""
    ((event, fields),) = wire.told
    assert event is events.STANDIN_DROPPED
    return str(fields["reason"])


def test_a_stranger_is_dropped(wire: Wire) -> None:
    """Anything but a hello from an address without a session."""
    wire.heard(Bind(port=25, local_port=25), source=PEER)

    assert dropped(wire) == "its client has no session; it must greet first"


@pytest.mark.parametrize(("client_id", "server_id"), [(b"evil", b"wxyz"), (b"abcd", b"evil")])
def test_another_sessions_datagram_is_dropped(
    wire: Wire, client_id: bytes, server_id: bytes
) -> None:
    """Both ids must be those of the session at this address."""
    wire.heard(SessionEnd(), client_id=client_id, server_id=server_id)

    assert dropped(wire) == "it is of another session"


def test_the_servers_own_address_is_dropped() -> None:
    """MS03-012: a datagram that claims to come from the server itself."""
    wire = Wire()

    wire.heard(HELLO, source=PROXY)

    assert "MS03-012" in dropped(wire)


def test_bytes_that_are_no_message_are_dropped() -> None:
    """The codec's own words tell what is wrong."""
    wire = Wire()

    wire.observer.tap("in", CLIENT, PROXY, b"GET / HTTP/1.0\r\n\r\n")

    assert "18 bytes" in dropped(wire)
    assert wire.told[0][1]["bytes"] == 18


def test_garbage_that_the_server_sends_is_not_told() -> None:
    """What is wrong on purpose is not dropped."""
    wire = Wire()

    wire.observer.tap("out", PROXY, CLIENT, b"220 this is no Winsock Proxy\r\n")

    assert wire.told == []


def test_a_flood_of_hellos_forgets_the_oldest(wire: Wire) -> None:
    """Addresses that are remembered are bounded in number; the session goes with its address."""
    for port in range(1, CLIENTS + 1):
        wire.heard(HELLO, source=Address("10.0.0.10", port))

    wire.heard(SessionEnd())

    assert dropped(wire) == "its client has no session; it must greet first"
