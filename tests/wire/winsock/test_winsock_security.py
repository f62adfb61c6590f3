"""Hostile datagrams: reflection, loops, somebody else's session, and bytes of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bindpost.proxy.winsock.codec import Packet
from bindpost.proxy.winsock.messages import (
    Acknowledgement,
    Authentication,
    Bind,
    BindAck,
    BindInfo,
    BindInfoAck,
    Hello,
    HelloAck,
    Listening,
    Message,
    SessionEnd,
    TcpBind,
    Unknown,
)
from bindpost.proxy.winsock.standin import Misbehaviour
from bindpost.proxy.winsock.wire import FIRST_CLIENT_ID, Address

if TYPE_CHECKING:
    from tests.wire.winsock.conftest import World

NOTICE = BindInfo(
    bind_id=b"bind", peer=Address("192.0.2.1", 9), internal_port=7, external=Address("192.0.2.2", 1)
)
CLIENTS_WORDS: tuple[Message, ...] = (
    Hello(),
    Hello(user="x" * 255, executable="y" * 255, computer="z" * 255),
    Bind(port=0, local_port=1),
    Bind(port=0, local_port=1, kill_old=True),
    TcpBind(bind_id=b"bind", local_port=1),
    Listening(external=Address("192.0.2.2", 1)),
    BindInfoAck(notice=NOTICE),
    Authentication(sub_code=0, token=b"NTLMSSP\0\1\0\0\0" + bytes(20)),
    SessionEnd(),
    Unknown(code=0x070D),
)
SERVERS_WORDS: tuple[Message, ...] = (
    HelloAck(control=Address("192.0.2.2", 1)),
    Acknowledgement(),
    BindAck(bind_id=b"bind", external=Address("192.0.2.2", 1)),
    NOTICE,
)


@pytest.mark.parametrize("fault", ["none", "garbage", "slow:0.001", "refuse"])
async def test_nothing_is_amplified(world: World, fault: str) -> None:
    """
    Somebody who forges a source address gains nothing.

    Whatever is sent from an address that has not completed the hello exchange, at most one datagram
    comes back for it, and none that is longer.
    """
    proxy = await world.proxy(misbehaviour=Misbehaviour.parse(fault))
    client, honest = await world.raw(proxy), await world.raw(proxy)
    for client_id in (FIRST_CLIENT_ID, b"abcd"):
        for server_id in (bytes(4), b"gues"):
            for message in CLIENTS_WORDS + SERVERS_WORDS:
                client.client_id, client.server_id = client_id, server_id
                sent = client.say(message)
                # The proxy takes datagrams in order: when it has answered the honest client, it has
                # answered this one, or will not.
                honest.client_id, honest.server_id = FIRST_CLIENT_ID, bytes(4)
                honest.say(Hello())
                await honest.heard.get()
                answers = [client.heard.get_nowait() for _ in range(client.heard.qsize())]

                assert len(answers) <= 1
                assert sum(map(len, answers)) <= len(sent)
                if not isinstance(message, Hello):
                    assert not answers
    assert proxy.bound == []


async def test_two_proxies_start_no_loop(world: World) -> None:
    """A hello with another proxy's address as its source ends with one answer (MS03-012)."""
    seen: list[tuple[str, str]] = []
    one = await world.proxy(tap=lambda way, *_: seen.append(("one", way)))
    world.port = 0
    other = await world.proxy(tap=lambda way, *_: seen.append(("other", way)))
    one.datagram_received(Packet(message=Hello()).dumps(), other.address)
    for proxy in (one, other):
        await (await world.raw(proxy)).greet()

    assert seen.count(("one", "in")) == 1 + 2
    assert seen.count(("one", "out")) == 1 + 2
    assert seen.count(("other", "in")) == 1 + 2
    assert seen.count(("other", "out")) == 2


@pytest.mark.parametrize("words", [CLIENTS_WORDS, SERVERS_WORDS], ids=["client's", "server's"])
async def test_own_address_gets_no_answer(world: World, words: tuple[Message, ...]) -> None:
    """Whatever has the server's own address as source is dropped (MS03-012)."""
    ways: list[str] = []
    proxy = await world.proxy(tap=lambda way, *_: ways.append(way))
    for message in words:
        proxy.datagram_received(Packet(message=message).dumps(), proxy.address)
    client = await world.raw(proxy)
    await client.greet()

    assert ways.count("out") == 2


@pytest.mark.parametrize("own_server_id", [True, False], ids=["own", "guessed"])
async def test_client_id_opens_nobodys_session(world: World, own_server_id: bool) -> None:
    """Who knows another's client id, from an address of his own, can neither use nor end it."""
    proxy = await world.proxy()
    victim, thief = await world.raw(proxy), await world.raw(proxy)
    await victim.greet(client_id=b"know")
    bound = await victim.bind()
    await thief.greet(client_id=b"know")
    if not own_server_id:
        thief.server_id = b"gues"
    for message in (
        TcpBind(bind_id=bound.bind_id, local_port=1),
        BindInfoAck(notice=NOTICE),
        SessionEnd(),
    ):
        thief.say(message)
    victim.say(Hello())
    await victim.hear(Acknowledgement)

    assert proxy.bound == [bound.external]


async def test_forged_source_needs_the_server_id(world: World) -> None:
    """With the victim's address and client id, but not its server id, nothing can be done."""
    proxy = await world.proxy()
    victim = await world.raw(proxy)
    await victim.greet(client_id=b"know")
    bound = await victim.bind()
    for message in (SessionEnd(), Bind(port=0, local_port=1), Hello()):
        for client_id in (b"know", b"evil", FIRST_CLIENT_ID):
            forged = Packet(message=message, client_id=client_id, server_id=b"gues").dumps()
            proxy.datagram_received(forged, victim.address)
    victim.say(Hello())
    await victim.hear(Acknowledgement)

    assert victim.heard.empty()
    assert proxy.bound == [bound.external]


async def test_forged_first_hello_does_not_end_a_session(world: World) -> None:
    """A first hello, which proves nothing, is answered and changes nothing."""
    proxy = await world.proxy()
    victim = await world.raw(proxy)
    await victim.greet()
    bound = await victim.bind()
    proxy.datagram_received(Packet(message=Hello()).dumps(), victim.address)
    await victim.hear(HelloAck)

    assert proxy.bound == [bound.external]


async def test_sessions_of_strangers_take_no_port(world: World) -> None:
    """However many clients begin sessions, the one that holds a port keeps it."""
    proxy = await world.proxy(sessions=4)
    owner = await world.raw(proxy)
    await owner.greet()
    bound = await owner.bind()
    for _ in range(12):
        await (await world.raw(proxy)).greet()
    owner.say(Hello())
    await owner.hear(Acknowledgement)

    assert proxy.bound == [bound.external]
