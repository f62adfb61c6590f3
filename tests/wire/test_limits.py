"""Limits of sessions, and lists of hosts: who is refused is told so, the next one is welcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from bindpost import events
from bindpost.config.model import Ims, Limits

if TYPE_CHECKING:
    from tests.wire.conftest import Serve

PERSONALITIES = ["ims-5.5", "plain"]


@pytest.mark.parametrize("personality", PERSONALITIES)
@pytest.mark.parametrize(
    "settings", [{"limits": Limits(sessions=2)}, {"ims": Ims(max_inbound_connections=2)}]
)
async def test_above_the_limit_is_no_room(
    serve: Serve, personality: str, settings: dict[str, Any]
) -> None:
    """The session above a limit gets 421 in place of the banner, until one has left."""
    bench = await serve(personality=personality, **settings)
    first, second = await bench.ehlo(), await bench.ehlo()

    third = await bench.connected()
    refusal = await third.rest()
    await bench.sessions.wait_for(2)
    assert (await first.say("QUIT")).startswith(b"221")
    await bench.sessions.wait_for(1)
    fourth = await bench.ehlo()

    assert refusal.startswith(b"421 ")
    assert refusal.count(b"\r\n") == 1
    assert [event["reason"] for event in bench.events.of(events.SESSION_REFUSED)] == [
        "too many sessions"
    ]
    for peer in (second, fourth):
        assert (await peer.say("NOOP")).startswith(b"250")


@pytest.mark.parametrize(
    "settings", [{"limits": Limits(sessions=5)}, {"ims": Ims(max_inbound_connections=5)}]
)
async def test_of_a_crowd_as_many_get_in_as_there_is_room_for(
    serve: Serve, settings: dict[str, Any]
) -> None:
    """Those who come in the same moment are counted one by one."""
    bench = await serve(**settings)
    peers = await asyncio.gather(*(bench.connected() for _ in range(50)))

    greetings = [(await peer.reply())[:3] for peer in peers]

    assert greetings.count(b"220") == 5
    assert greetings.count(b"421") == 45


async def test_without_a_limit_there_is_none(serve: Serve) -> None:
    """MaxInboundConnections 0 is no limit (KB Q156063)."""
    bench = await serve(ims=Ims(max_inbound_connections=0))

    peers = [await bench.greeted(pair=True) for _ in range(100)]

    assert len(peers) == len(bench.sessions) == 100


@pytest.mark.parametrize(("personality", "code"), [("ims-5.5", b"521"), ("plain", b"554")])
async def test_a_rejected_host_gets_no_banner(serve: Serve, personality: str, code: bytes) -> None:
    """A host on the reject list is told so and closed (KB Q155920); commands are not heard."""
    bench = await serve(personality=personality, ims=Ims(reject_hosts=("127.0.0.0;255.0.0.0",)))
    wire = bench.wire()

    await wire.feed(b"EHLO c\r\nMAIL FROM:<a@b>\r\n")
    await wire.wait_for_close()
    await bench.sessions.wait_for(0)

    assert [reply[:3] for reply in wire.replies] == [code]
    (event,) = bench.events.of(events.SESSION_REFUSED)
    assert (event["reason"], event["peer"]) == ("reject list", "127.0.0.1")


async def test_a_socket_without_an_address_is_served(serve: Serve) -> None:
    """A Unix socket's client is on no list, and its address is not known."""
    bench = await serve(ims=Ims(reject_hosts=("0.0.0.0;0.0.0.0", "::;::")))
    peer = await bench.data(pair=True)
    await peer.say("x\r\n.")

    (row,) = await bench.rows()

    assert row.session.peer is None


async def test_relaying_is_refused_with_its_event(serve: Serve) -> None:
    """550 comes with event 4188, which names recipient and client (KB Q193922)."""
    bench = await serve(ims=Ims(relay_flags=2, local_domains=("local.test",)))
    peer = await bench.mail()

    assert await peer.say("RCPT TO:<x@far.test>") == b"550 Relaying is prohibited\r\n"
    assert (await peer.say("RCPT TO:<x@local.test>")).startswith(b"250")

    (event,) = bench.events.of(events.RELAY_REFUSED)
    assert (event["recipient"], event["peer"]) == ("x@far.test", "127.0.0.1")


async def test_the_address_that_was_dialled_can_free_relaying(serve: Serve) -> None:
    """The local-IP list looks at the server's end of the connection (KB Q193922)."""
    bench = await serve(ims=Ims(relay_flags=4, relay_local_ip_list=("127.0.0.1",)))
    peer = await bench.mail()
    other = bench.wire(sockname=("192.0.2.1", 25))
    await other.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<x@far.test>\r\nQUIT\r\n")
    await other.wait_for_close()

    assert (await peer.say("RCPT TO:<x@far.test>")).startswith(b"250")
    assert other.replies[2].startswith(b"550")
