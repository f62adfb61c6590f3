"""The control channel to a Winsock Proxy, datagram by datagram: requests, and what is no answer."""

from __future__ import annotations

import asyncio

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.winsock.codec import Packet
from bindpost.proxy.winsock.messages import (
    Acknowledgement,
    AddressInUse,
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
    TcpBindAck,
    Unknown,
)
from bindpost.proxy.winsock.wire import FIRST_CLIENT_ID, Address

from ....clock import Clock
from .bench import BIND_ID, EXTERNAL, HOST, PATIENT, SERVER_ID, Script, binding, error_of

# Numbers and ids (section 2.1 of the notes: as Dante plays them)


async def test_first_hello_has_the_fixed_client_id_and_no_server_id(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """Hello 1 carries the bytes 0A 00 00 00, then zeros; hello 2 a random id and the server's."""
    async with binding(script, names):
        first, _ = await script.hear(Hello)
        script.say(HelloAck(control=Address(HOST, script.port)))
        second, hello = await script.hear(Hello)

    assert (first.client_id, first.server_id) == (FIRST_CLIENT_ID, bytes(4))
    assert second.client_id not in (FIRST_CLIENT_ID, bytes(4))
    assert second.server_id == SERVER_ID
    assert second.application == hello.executable == "MSEXCIMC.EXE"


async def test_numbers_are_dantes(script: Script, names: asyncio.Queue[object]) -> None:
    """Sequence 0 up to BIND, then one more each; ack is the server's latest number."""
    numbers = []
    async with binding(script, names) as task:
        for answer in (HelloAck(control=Address(HOST, script.port)), Acknowledgement()):
            packet, _ = await script.hear(Hello)
            numbers.append((packet.sequence, packet.ack))
            script.say(answer)
        packet, bind = await script.hear(Bind)
        numbers.append((packet.sequence, packet.ack))
        external = Address(EXTERNAL, bind.port)
        script.say(BindAck(bind_id=BIND_ID, external=external))
        packet, listen = await script.hear(TcpBind)
        numbers.append((packet.sequence, packet.ack))
        script.say(TcpBindAck(bind_id=BIND_ID, external=external), ack=1)
        packet, _ = await script.hear(Listening)
        numbers.append((packet.sequence, packet.ack))
        await task
        script.say(
            BindInfo(
                bind_id=BIND_ID, peer=Address("192.0.2.1", 9), internal_port=7, external=external
            )
        )
        packet, _ = await script.hear(BindInfoAck)
        numbers.append((packet.sequence, packet.ack))
    packet, _ = await script.hear(SessionEnd)
    numbers.append((packet.sequence, packet.ack))

    assert numbers == [(0, 0), (0, 0), (0, 1), (1, 2), (2, 3), (3, 4), (4, 4)]
    assert (bind.local_port, bind.address) == (bind.port, "0.0.0.0")
    assert (listen.bind_id, listen.local_port, listen.backlog) == (BIND_ID, bind.port, 5)


# Retransmission


async def test_unanswered_request_is_sent_again_unchanged(
    script: Script, names: asyncio.Queue[object], clock: Clock
) -> None:
    """Each request that got lost comes a second time, byte for byte, and the bind succeeds."""

    async def heard_twice() -> tuple[bytes, bytes]:
        first = await script.heard.get()
        await clock.move_on(PATIENT.interval)
        return first, await script.heard.get()

    pairs = []
    async with binding(script, names) as task:
        answers: list[Message] = [HelloAck(control=Address(HOST, script.port)), Acknowledgement()]
        for _ in range(2):
            pairs.append(await heard_twice())
            script.say(answers.pop(0))
        pairs.append(await heard_twice())
        request = Packet.loads(pairs[-1][1]).message
        assert isinstance(request, Bind)
        external = Address(EXTERNAL, request.port)
        script.say(BindAck(bind_id=BIND_ID, external=external))
        pairs.append(await heard_twice())
        script.say(TcpBindAck(bind_id=BIND_ID, external=external), ack=1)
        listener = await task

    assert [one == two for one, two in pairs] == [True] * 4
    assert listener.addresses[0] == Endpoint(*external)


async def test_answer_that_comes_twice_does_no_harm(
    script: Script, names: asyncio.Queue[object], clock: Clock
) -> None:
    """A repeated 0x0400 is not taken for "still working": the lost BIND is sent again."""
    async with binding(script, names) as task:
        await script.greet()
        first = await script.heard.get()
        script.say(Acknowledgement(), sequence=1)
        await clock.move_on(PATIENT.interval)
        assert await script.heard.get() == first
        request = Packet.loads(first).message
        assert isinstance(request, Bind)
        external = Address(EXTERNAL, request.port)
        script.say(BindAck(bind_id=BIND_ID, external=external))
        await script.hear(TcpBind)
        script.say(TcpBindAck(bind_id=BIND_ID, external=external), ack=1)

        assert await task


async def test_still_working_is_waited_for(
    script: Script, names: asyncio.Queue[object], clock: Clock
) -> None:
    """0x04xx in place of an answer means wait, longer than all tries, and is no refusal."""
    async with binding(script, names) as task:
        await script.greet()
        _, request = await script.hear(Bind)
        script.say(Acknowledgement(sub_code=0x11))
        for _ in range(PATIENT.tries):
            await clock.move_on(PATIENT.interval)
        external = Address(EXTERNAL, request.port)
        script.say(BindAck(bind_id=BIND_ID, external=external))
        await script.hear(TcpBind)
        script.say(TcpBindAck(bind_id=BIND_ID, external=external), ack=1)

        assert await task


async def test_still_working_for_ever_is_10050(
    script: Script, names: asyncio.Queue[object], clock: Clock
) -> None:
    """The total deadline ends a bind that the proxy only says to work on."""
    async with binding(script, names) as task:
        await script.greet()
        await script.hear(Bind)
        script.say(Acknowledgement(sub_code=0x11))
        for seconds in (PATIENT.interval, PATIENT.deadline):
            await clock.move_on(seconds)
        error = await error_of(task)

    assert (error.code, error.hop) == (10050, "bind")
    assert "0x0411 (working)" in error.detail


# Answers that are none


@pytest.mark.parametrize(
    "data", [b"HTTP/1.0 400 Bad Request\r\n\r\n", bytes(172)], ids=["short", "no-tag"]
)
async def test_junk_at_the_greeting_fails_at_once(
    script: Script, names: asyncio.Queue[object], data: bytes
) -> None:
    """What is no Winsock Proxy message is 10050 without waiting for more."""
    async with binding(script, names) as task:
        await script.hear(Hello)
        script.say_bytes(data)
        error = await error_of(task)

    assert (error.code, error.hop) == (10050, "greeting")


async def test_other_version_is_told(script: Script, names: asyncio.Queue[object]) -> None:
    """A server of another protocol version is 10050, and the detail says that."""
    async with binding(script, names) as task:
        await script.hear(Hello)
        data = bytearray(Packet(message=HelloAck(control=Address(HOST, 1))).dumps())
        data[6] = 3
        script.say_bytes(bytes(data))
        error = await error_of(task)

    assert "protocol version 00010300" in error.detail


async def test_junk_later_is_passed_over(script: Script, names: asyncio.Queue[object]) -> None:
    """Once the server is known, bytes that are no message change nothing."""
    async with binding(script, names) as task:
        await script.greet()
        script.say_bytes(b"junk")
        _, request = await script.hear(Bind)
        script.say_bytes(b"junk")
        external = Address(EXTERNAL, request.port)
        script.say(BindAck(bind_id=BIND_ID, external=external))
        await script.hear(TcpBind)
        script.say(TcpBindAck(bind_id=BIND_ID, external=external), ack=1)

        assert await task


async def test_answer_of_another_session_is_passed_over(
    script: Script, names: asyncio.Queue[object], clock: Clock
) -> None:
    """A server id that differs from the greeting's makes an answer somebody else's."""
    async with binding(script, names) as task:
        await script.greet()
        await script.hear(Bind)
        script.say(AddressInUse(), server_id=b"other"[:4])
        await clock.move_on(PATIENT.interval)
        await script.hear(Bind)
        await clock.move_on(PATIENT.interval)
        error = await error_of(task)

    assert error.code == 10050
    assert error.detail.startswith("no answer")


async def test_unexpected_command_is_told(
    script: Script, names: asyncio.Queue[object], clock: Clock
) -> None:
    """A server that says something else in place of an answer is silent; the detail tells why."""
    async with binding(script, names) as task:
        await script.greet()
        await script.hear(Bind)
        script.say(Unknown(code=0x0703))
        await clock.move_on(PATIENT.interval)
        await script.hear(Bind)
        await clock.move_on(PATIENT.interval)
        error = await error_of(task)

    assert (error.code, error.hop) == (10050, "bind")
    assert "unexpected 0x0703" in error.detail


@pytest.mark.meets("winsock://", "wrong_address")
async def test_other_address_than_the_one_asked_for_is_10050(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """A proxy that passes over ProxyBindIp is found out, and the bind is not used."""
    async with binding(script, names, proxy_bind_ip="127.0.0.3") as task:
        await script.greet()
        _, request = await script.hear(Bind)
        script.say(BindAck(bind_id=BIND_ID, external=Address(EXTERNAL, request.port)))
        error = await error_of(task)

    assert request.address == "127.0.0.3"
    assert (error.code, error.hop) == (10050, "bind")
    assert "ProxyBindIp" in error.hint
