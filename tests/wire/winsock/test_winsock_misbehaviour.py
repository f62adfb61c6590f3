"""The stand-in's access rules, what it does wrong on purpose, and its tap."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.winsock.channel import Timing
from bindpost.proxy.winsock.codec import Packet
from bindpost.proxy.winsock.messages import (
    Acknowledgement,
    Bind,
    BindAck,
    Hello,
    HelloAck,
    TcpBind,
    TcpBindAck,
)
from bindpost.proxy.winsock.standin import Misbehaviour, WinsockProxyServer
from bindpost.proxy.winsock.standin_faults import GARBAGE, MISBEHAVIOURS
from bindpost.proxy.winsock.wire import Address

if TYPE_CHECKING:
    from tests.wire.winsock.conftest import World

INTERNAL, EXTERNAL = "127.0.0.1", "127.0.0.2"


# Access rules


async def test_only_allowed_ports_are_bound(world: World) -> None:
    """With `ports` any other port is refused: 10050, hop bind."""
    port = world.free_port()
    proxy = await world.proxy(ports=[port])

    error = await world.error_of(world.provider(), Endpoint(INTERNAL, 0))
    await world.bind(world.provider(), Endpoint(INTERNAL, port))

    assert (error.code, error.hop, "0x0804" in error.detail) == (10050, "bind", True)
    assert proxy.bound == [Address(EXTERNAL, port)]


@pytest.mark.parametrize("allowed", ["msexcimc", "MSEXCIMC.EXE"])
async def test_only_allowed_programs_bind(world: World, allowed: str) -> None:
    """With `applications` a program of another name is refused."""
    proxy = await world.proxy(applications=[allowed])

    error = await world.error_of(world.provider(application="store"))
    await world.bind(world.provider())

    assert (error.code, error.hop) == (10050, "bind")
    assert len(proxy.bound) == 1


@pytest.mark.parametrize("wildcard", [("0.0.0.0", EXTERNAL), (INTERNAL, "0.0.0.0")])
def test_wildcard_is_no_address_of_a_proxy(wildcard: tuple[str, str]) -> None:
    """An address that could not be told from a client's is refused at once."""
    with pytest.raises(ValueError, match=r"0\.0\.0\.0"):
        WinsockProxyServer(*wildcard)


# Misbehaviours


@pytest.mark.parametrize(
    ("name", "hop"),
    [("silent", "greeting"), ("garbage", "greeting"), ("refuse", "bind"), ("die:1", "greeting")],
)
async def test_misbehaviour_is_10050(world: World, name: str, hop: str) -> None:
    """Each is the proxy path's fault, and fails where it shows."""
    await world.proxy(misbehaviour=Misbehaviour.parse(name))

    error = await world.error_of(world.provider(timing=world.hasty))

    assert (error.code, error.hop) in [(10050, hop), (10050, "connect")]


async def test_slow_is_late_and_no_fault(world: World) -> None:
    """A proxy that answers after the second question is waited for."""
    await world.proxy(misbehaviour=Misbehaviour.parse("slow:0.15"))

    bound = await world.bind(world.provider(timing=Timing(tries=20, interval=0.1)))

    assert await world.visit(bound.outside)


async def test_too_slow_is_silent(world: World) -> None:
    """An answer after the last question is too late."""
    await world.proxy(misbehaviour=Misbehaviour.parse("slow:60"))

    error = await world.error_of(world.provider(timing=world.hasty))

    assert (error.code, error.hop) == (10050, "greeting")


async def test_garbage_is_shorter_than_what_it_answers(world: World) -> None:
    """Even on purpose nothing is amplified."""
    client = await world.raw(await world.proxy(misbehaviour=Misbehaviour.parse("garbage")))
    hello = client.say(Hello())

    assert await client.heard.get() == GARBAGE
    assert len(GARBAGE) < len(hello)


async def test_death_after_a_number_of_datagrams(world: World) -> None:
    """`die:2` answers two datagrams, and then nothing listens there any more."""
    proxy = await world.proxy(misbehaviour=Misbehaviour.parse("die:2"))
    client = await world.raw(proxy)
    await client.greet()
    await proxy.gone()
    client.say(Hello())

    assert await client.heard.get() == b""  # ICMP port unreachable


async def test_death_after_bind_closes_the_port(world: World) -> None:
    """`die:bind` says that the port is bound, and is gone with it."""
    proxy = await world.proxy(misbehaviour=Misbehaviour.parse("die:bind"))
    client = await world.raw(proxy)
    await client.greet()
    external = (await client.bind()).external
    await proxy.gone()

    with socket.create_server(external):
        pass


async def test_forgetting_happens_once(world: World) -> None:
    """`forget:bind` loses the first bind only."""
    proxy = await world.proxy(misbehaviour=Misbehaviour.parse("forget:bind"))
    client = await world.raw(proxy)
    for bound in (0, 1):
        await client.greet()
        await client.bind()

        assert len(proxy.bound) == bound


async def test_forgotten_session_is_not_taken_up_again(world: World) -> None:
    """A keep-alive of a session that the proxy no longer knows gets no answer."""
    proxy = await world.proxy()
    client, other = await world.raw(proxy), await world.raw(proxy)
    await client.greet()
    await client.bind()
    client.say(Hello())
    await client.hear(Acknowledgement)
    proxy.forget()
    client.say(Hello())
    await other.greet()

    assert client.heard.empty()
    assert proxy.bound == []


@pytest.mark.parametrize(
    "text", ["", "rude", "die:0", "die:-1", "die:often", "slow:soon", "silent:1", "none:x"]
)
def test_misbehaviour_that_is_none(text: str) -> None:
    """What is not known, or has a wrong argument, is a `ValueError`."""
    with pytest.raises(ValueError, match=r"\w"):
        Misbehaviour.parse(text)


def test_misbehaviours_are_found_by_name() -> None:
    """Each is made by its name."""
    assert [Misbehaviour.parse(name).name for name in MISBEHAVIOURS] == list(MISBEHAVIOURS)


# The tap


async def test_tap_sees_every_datagram(world: World) -> None:
    """Both directions are shown, with source and destination, and what is dropped too."""
    seen: list[tuple[str, Address, Address, bytes]] = []
    proxy = await world.proxy(tap=lambda *datagram: seen.append(datagram))
    client = await world.raw(proxy)
    client.transport.sendto(b"junk")
    await client.greet()
    bound = await client.bind()
    client.say(TcpBind(bind_id=bound.bind_id, local_port=1))
    await client.hear(TcpBindAck)

    there = (client.address, proxy.address)
    assert [(way, (source, to)) for way, source, to, _ in seen] == [
        ("in", there),
        *[("in", there), ("out", there[::-1])] * 4,
    ]
    assert seen[0][3] == b"junk"
    assert [type(Packet.loads(data).message) for _, _, _, data in seen[1:]] == [
        Hello,
        HelloAck,
        Hello,
        Acknowledgement,
        Bind,
        BindAck,
        TcpBind,
        TcpBindAck,
    ]
