"""What the fast engine must not get wrong, each beside the reason why it could."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from base64 import b64encode
from typing import TYPE_CHECKING, Any, cast

import aiosmtpd.smtp
import pytest

from bindpost import events
from bindpost.config.model import Limits, Tls
from bindpost.server.smtp.conversation import Conversation
from bindpost.server.smtp.engine import MAX_WAITING
from bindpost.server.smtp.fast import FastProtocol
from bindpost.server.smtp.protocol import SmtpProtocol
from bindpost.server.smtp.reader import AUTH_LIMIT
from bindpost.server.smtp.reply import Reply

from .conftest import Wire

if TYPE_CHECKING:
    from tests.wire.conftest import Serve, SlowStore

MIB = 1 << 20
MESSAGE = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\n"


def _session(wire: Wire) -> FastProtocol:
    return cast("FastProtocol", wire._protocol)


@pytest.mark.parametrize(("engine", "kind"), [("fast", FastProtocol), ("stock", SmtpProtocol)])
async def test_the_setting_chooses_the_engine(serve: Serve, engine: str, kind: type) -> None:
    """The fast engine is one of the stock engine's kind; the stock engine is not the fast one."""
    bench = await serve(engine=engine)
    wire = bench.wire()

    assert isinstance(wire._protocol, kind)
    assert isinstance(wire._protocol, FastProtocol) is (engine == "fast")
    wire.close()


async def test_limits_of_commands_do_not_grow(serve: Serve) -> None:
    """aiosmtpd's are one dictionary for all, which each `__init__` empties; ours is constant."""
    before = dict(aiosmtpd.smtp.SMTP.command_size_limits)
    bench = await serve()
    for number in range(20):
        wire = bench.wire()
        await wire.feed(b"EHLO c\r\nHELP\r\nUNKNOWN%d\r\n" % number)
        limits = _session(wire).command_size_limits
        wire.close()

    assert dict(limits) == {"AUTH": AUTH_LIMIT, "XAUTH": AUTH_LIMIT}
    assert limits["MAIL"] == limits["UNKNOWN1"]
    assert dict(aiosmtpd.smtp.SMTP.command_size_limits) == before


async def test_mechanisms_belong_to_the_connection(serve: Serve) -> None:
    """Logins in two sessions at once do not meet, though their methods were looked up only once."""
    bench = await serve(personality="plain")
    wires = {name: bench.wire() for name in ("one", "two")}
    for wire in wires.values():
        await wire.feed(b"EHLO c\r\nAUTH LOGIN\r\n")
    for name, wire in wires.items():
        await wire.feed(b64encode(name.encode()) + b"\r\n")
    for wire in reversed(wires.values()):
        await wire.feed(b64encode(b"secret") + b"\r\n" + MESSAGE + b"QUIT\r\n")

    assert sorted(row.session.login or "" for row in await bench.rows()) == ["one", "two"]


class SwitchedWire(Wire):
    """A wire that notes what had been written when it was handed to another protocol."""

    written = b""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Note it."""
        self.written = self.output
        self._protocol = cast("asyncio.Protocol", protocol)


async def test_220_goes_out_before_tls_begins(serve: Serve) -> None:
    """Replies are gathered, but not over the switch: the client would wait for 220 for ever."""
    bench = await serve(tls=Tls(certificate="self-signed"))
    wire = SwitchedWire(bench._factory())

    await wire.feed(b"EHLO c\r\nNOOP\r\nSTARTTLS\r\nMAIL FROM:<evil@x>\r\n")

    assert wire.written.splitlines()[-1].startswith(b"220 ")
    assert wire.output == wire.written
    wire.close()


async def test_replies_to_one_read_are_one_write(serve: Serve) -> None:
    """A client that pipelines costs one write, whatever it says (RFC 2920)."""
    bench = await serve()
    wire = bench.wire()

    await wire.feed(b"EHLO c\r\nNOOP\r\n" + MESSAGE * 2 + b"QUIT\r\n")
    await wire.wait_for_close()
    await bench.sessions.wait_for(0)

    assert len(wire.replies) == 12
    assert len(wire.writes) == 2  # the banner, and all else


async def test_the_buffer_is_never_resized_while_a_transport_has_it(serve: Serve) -> None:
    """A transport may hold the buffer all the time, as asyncio's does while it receives."""
    bench = await serve()
    wire = bench.wire()
    session = _session(wire)
    buffer = session.get_buffer(-1)
    exported = memoryview(buffer)

    for piece in (
        b"EHLO c\r\n",
        b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDA",
        b"TA\r\nx\r\n.",
        b"\r\n",
    ):
        buffer[: len(piece)] = piece
        session.buffer_updated(len(piece))
        assert session.get_buffer(-1).obj is buffer.obj

    assert len(exported) == len(buffer)
    assert await bench.kept() == [b"x\r\n"]
    wire.close()


async def test_a_read_may_be_larger_than_the_buffer(serve: Serve) -> None:
    """A message of many reads comes by a real socket, in whatever pieces the system has it."""
    bench = await serve()
    peer = await bench.data()
    body = b"".join(b"%07d\r\n" % number for number in range(200_000))

    peer.send(body + b".\r\nNOOP\r\n")

    assert [(await peer.reply())[:3] for _ in range(2)] == [b"250", b"250"]
    assert await bench.kept() == [body]


@pytest.mark.parametrize("engine", ["fast", "stock"])
async def test_a_command_gets_more_than_may_wait(serve: Serve, engine: str) -> None:
    """What XEXCH50 waits for does not wait itself, however much it is."""
    bench = await serve(engine=engine, personality="ims-5.5")
    peer = await bench.ehlo()

    peer.send(b"XEXCH50 300000 2\r\n" + b"x" * 300_000 + b"NOOP\r\n")

    assert [(await peer.reply())[:3] for _ in range(3)] == [b"354", b"250", b"250"]


@pytest.mark.parametrize("engine", ["fast", "stock"])
async def test_what_is_read_away_is_not_held(serve: Serve, engine: str) -> None:
    """Of a megabyte for XEXCH50 that comes slowly no more than a piece is in memory."""
    bench = await serve(engine=engine, personality="ims-5.5")
    wire = bench.wire()
    await wire.feed(b"EHLO c\r\nXEXCH50 1000000 2\r\n")
    tracemalloc.start()

    for _ in range(99):
        await wire.feed(b"x" * 10_000)

    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 200_000
    wire.close()


class CountingWire(Wire):
    """A wire that notes how often it was told to stop and to go on."""

    def __init__(self, *arguments: Any) -> None:
        self.holds: list[bool] = []
        super().__init__(*arguments)

    def pause_reading(self) -> None:
        """Note it."""
        self.holds.append(True)

    def resume_reading(self) -> None:
        """Note it."""
        self.holds.append(False)


async def test_a_client_that_runs_ahead_of_the_store_is_held(
    serve: Serve, slow_store: SlowStore
) -> None:
    """One message a session waits for the store; behind it 64 KiB may wait, then nothing more."""
    bench = await serve(store=slow_store)
    wire = CountingWire(bench._factory())
    await wire.feed(MESSAGE)
    await slow_store.asked.wait()

    await wire.feed(b"NOOP\r\n" * (MAX_WAITING // 6))
    assert wire.holds == []
    await wire.feed(b"NOOP\r\n" * 2)
    assert wire.holds == [True]
    slow_store.go_on.set()
    await wire.wait_for_replies(5 + MAX_WAITING // 6 + 2)

    assert wire.holds == [True, False]
    wire.close()


async def test_who_is_held_may_be_silent(serve: Serve) -> None:
    """A client that was told to wait is not dropped for its silence, and has its time again."""
    bench = await serve(limits=Limits(in_flight=10))
    first, second = CountingWire(bench._factory()), CountingWire(bench._factory())
    for wire in (first, second):
        await wire.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
    await first.feed(b"longer than the budget\r\n")
    assert (first.holds, second.holds) == ([], [True])

    _session(second).expire()
    assert not second.is_closing()
    await first.feed(b".\r\nQUIT\r\n")
    assert second.holds == [True, False]
    _session(second).expire()

    assert second.is_closing()
    assert len(bench.events.of(events.BODY_TIMEOUT)) == 1


class Faulty:
    """A conversation that fails at NOOP: a fake, with the real one inside."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conversation, name)

    def say(self, occasion: str, **fields: object) -> Reply:
        """Fail."""
        if occasion == "noop":
            raise ZeroDivisionError("a secret of the inside")
        return self._conversation.say(occasion, **fields)


async def test_an_error_in_the_lane_ends_that_session_only(serve: Serve) -> None:
    """The client gets 421 without any detail, as from aiosmtpd's loop, and others are served."""
    bench = await serve()
    wire, other = bench.wire(), bench.wire()
    _session(wire).conversation = cast("Conversation", Faulty(_session(wire).conversation))

    await wire.feed(b"EHLO c\r\nNOOP\r\n" + MESSAGE)
    await wire.wait_for_close()
    await other.feed(MESSAGE + b"QUIT\r\n")
    await other.wait_for_close()

    assert [reply[:3] for reply in wire.replies] == [b"220", b"250", b"421"]
    assert b"secret" not in wire.output
    (event,) = bench.events.of(events.INTERNAL_ERROR)
    assert "ZeroDivisionError" in event["error"]
    assert len(await bench.kept()) == 1


async def test_an_idle_session_costs_little(serve: Serve) -> None:
    """After EHLO a session needs at most 3 KiB of memory, its transport not counted."""
    bench = await serve()
    transport = _NoTransport()

    def idle() -> FastProtocol:
        session = cast("FastProtocol", bench._factory())
        session.connection_made(transport)
        session.data_received(b"EHLO c\r\n")
        return session

    warm = [idle()]
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        sessions = [idle() for _ in range(500)]
        gc.collect()
        size = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert size / len(sessions) < 3 * 1024
    for session in warm + sessions:
        session.connection_lost(None)


class _NoTransport(asyncio.Transport):
    """What all idle sessions write to, so that only they are measured."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 4007), "sockname": ("127.0.0.1", 25)})

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Forget it."""

    def is_closing(self) -> bool:
        """Never."""
        return False
