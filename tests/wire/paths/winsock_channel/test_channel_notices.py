"""The control channel to a Winsock Proxy: notices of connections, and who they are for."""

from __future__ import annotations

import asyncio
import socket

from bindpost.proxy.provider import Listener
from bindpost.proxy.winsock.announcements import Announcements
from bindpost.proxy.winsock.codec import Packet
from bindpost.proxy.winsock.messages import BindInfo, BindInfoAck, Refusal
from bindpost.proxy.winsock.wire import Address

from .bench import BIND_ID, EXTERNAL, HOST, Script, binding


def notice(port: int, internal_port: int, *, bind_id: bytes = BIND_ID) -> BindInfo:
    """Give the notice of a connection from 192.0.2.1:4711."""
    return BindInfo(
        bind_id=bind_id,
        peer=Address("192.0.2.1", 4711),
        internal_port=internal_port,
        external=Address(EXTERNAL, port),
    )


async def test_repeated_notice_is_acknowledged_again(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """When the acknowledgement got lost, the same bytes are sent once more."""
    async with binding(script, names) as task:
        port = await script.serve()
        await task
        script.say(notice(port, 4000), sequence=4)
        first = await script.heard.get()
        script.say(notice(port, 4000), sequence=4)

        assert await script.heard.get() == first
        assert Packet.loads(first).message == BindInfoAck(notice=notice(port, 4000))


async def test_acknowledgements_are_remembered_for_a_while_only(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """After 256 more notices a repeated one counts as new; memory is bounded."""
    async with binding(script, names) as task:
        port = await script.serve()
        await task
        answers = []
        for number in [*range(257), 0]:
            script.say(notice(port, 4000 + number), sequence=number & 0xFF)
            answers.append(await script.heard.get())

    assert answers[0] != answers[-1]


async def test_packet_that_nobody_waits_for_is_passed_over(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """An acknowledgement or a refusal out of the blue changes nothing."""
    async with binding(script, names) as task:
        port = await script.serve()
        await task
        script.say(Refusal(operation=4))
        script.say(notice(port, 4000))

        await script.hear(BindInfoAck)


async def test_notice_of_another_bind_is_passed_over(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """A notice whose bind id is not ours gets no acknowledgement."""
    async with binding(script, names) as task:
        port = await script.serve()
        await task
        script.say(notice(port, 4000, bind_id=b"else"))
        script.say(notice(port, 4001))
        _, answer = await script.hear(BindInfoAck)

    assert answer.notice.internal_port == 4001


async def connect_from_proxy(listener: Listener) -> tuple[socket.socket, int]:
    """Connect to the local half from the proxy's address; gives the socket and its port."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.bind((HOST, 0))
    here = listener.addresses[1]
    await asyncio.get_running_loop().sock_connect(sock, (here.host, here.port))
    return sock, int(sock.getsockname()[1])


async def test_connection_may_overtake_its_notice(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """A connection that comes before its notice is held until that comes, and told rightly."""
    async with binding(script, names, grace=10.0) as task:
        port = await script.serve()
        sock, internal_port = await connect_from_proxy(await task)
        with sock:
            script.say(notice(port, internal_port))

            assert await names.get() == ("192.0.2.1", 4711)


async def test_notice_counts_for_one_connection_and_its_own_port_only(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """A connection from the proxy's address without a notice of its own is a local client."""
    async with binding(script, names, grace=0.01) as task:
        port = await script.serve()
        listener = await task
        script.say(notice(port, 1))
        await script.hear(BindInfoAck)
        sock, internal_port = await connect_from_proxy(listener)
        with sock:
            assert await names.get() == (HOST, internal_port)


async def test_notice_expires() -> None:
    """A notice whose connection never came is not kept for a later client with that port."""
    announcements = Announcements(0.0, lifetime=-1.0)
    announcements.add(notice(25, 4000))

    assert announcements.take(4000) is None


async def test_announcements_are_bounded() -> None:
    """However many notices come, only the latest are kept."""
    announcements = Announcements(0.0)
    for port in range(1, 2001):
        announcements.add(notice(25, port))

    assert announcements.take(1) is None
    assert announcements.take(2000) is not None
