"""The control channel to a Winsock Proxy: what the proxy refuses."""

from __future__ import annotations

import asyncio

import pytest

from bindpost.proxy.winsock.messages import (
    AddressInUse,
    Bind,
    BindAck,
    Hello,
    Refusal,
    SessionEnd,
    TcpBind,
    TcpBindAck,
)
from bindpost.proxy.winsock.wire import Address

from .bench import BIND_ID, EXTERNAL, Script, binding, error_of


async def test_refused_hello_is_10050(script: Script, names: asyncio.Queue[object]) -> None:
    """0x08xx in answer to a hello is 10050, hop greeting."""
    async with binding(script, names) as task:
        await script.hear(Hello)
        script.say(Refusal(operation=0))
        error = await error_of(task)

    assert (error.code, error.hop) == (10050, "greeting")


async def test_refused_bind_is_10050(script: Script, names: asyncio.Queue[object]) -> None:
    """0x0804 is 10050, and the detail names the refusal and its Winsock code."""
    async with binding(script, names) as task:
        await script.greet()
        await script.hear(Bind)
        script.say(Refusal(operation=4))
        error = await error_of(task)
        await script.hear(SessionEnd)

    assert (error.code, error.hop) == (10050, "bind")
    assert "0x0804" in error.detail
    assert "10013" in error.detail


async def test_port_that_is_taken_at_listen_is_10048(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """0x0701 in answer to listen is 10048 too, and the session is ended."""
    async with binding(script, names) as task:
        port = await script.bind()
        await script.hear(TcpBind)
        script.say(AddressInUse(), ack=1)
        error = await error_of(task)
        await script.hear(SessionEnd)

    assert error.code == 10048
    assert f"port {port} " in error.detail


async def test_free_port_is_tried_until_both_sides_have_it(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """For port 0 a number that is taken on the proxy is not the end: another one is asked for."""
    async with binding(script, names) as task:
        await script.greet()
        _, first = await script.hear(Bind)
        script.say(AddressInUse())
        _, second = await script.hear(Bind)
        external = Address(EXTERNAL, second.port)
        script.say(BindAck(bind_id=BIND_ID, external=external), ack=1)
        await script.hear(TcpBind)
        script.say(TcpBindAck(bind_id=BIND_ID, external=external), ack=2)
        listener = await task

    assert first.port != second.port
    assert [address.port for address in listener.addresses] == [second.port] * 2


@pytest.mark.meets("winsock://", "wrong_port")
async def test_other_port_than_asked_for_is_10048(
    script: Script, names: asyncio.Queue[object]
) -> None:
    """A proxy that binds another port has not done what was asked."""
    async with binding(script, names) as task:
        await script.greet()
        _, request = await script.hear(Bind)
        script.say(BindAck(bind_id=BIND_ID, external=Address(EXTERNAL, request.port ^ 1)))
        error = await error_of(task)
        await script.hear(SessionEnd)

    assert error.code == 10048
    assert "in place of" in error.detail
