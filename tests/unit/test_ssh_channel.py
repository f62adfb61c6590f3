"""The transport over an SSH channel keeps asyncio's contract; the channel is a double."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import asyncssh
import pytest

from bindpost.proxy.ssh.channel import ChannelSession, ChannelTransport

FACTS = {"peername": ("192.0.2.9", 4000), "sockname": ("127.0.0.1", 25), "via": "ssh://bastion:22"}


class Channel:
    """Notes what is asked of it; `closing` is what a real one says after its end."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.written = bytearray()
        self.closing = False
        self.limits = (0, 0)

    def write(self, data: bytes) -> None:
        """Take data as asyncssh does."""
        if self.closing:
            raise BrokenPipeError("Channel not open for sending")
        self.written += data

    def is_closing(self) -> bool:
        """Say whether it is at its end."""
        return self.closing

    def get_write_buffer_size(self) -> int:
        """Give the size of what was not sent."""
        return len(self.written)

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        """Note the limits."""
        self.limits = (low, high)

    def close(self) -> None:
        """Note."""
        self.calls.append("close")

    def abort(self) -> None:
        """Note."""
        self.calls.append("abort")

    def write_eof(self) -> None:
        """Note."""
        self.calls.append("eof")

    def pause_reading(self) -> None:
        """Note."""
        self.calls.append("pause")

    def resume_reading(self) -> None:
        """Note."""
        self.calls.append("resume")


class Protocol(asyncio.Protocol):
    """Notes what it is told, and fails where `fails` says."""

    fails = ""
    half_open = False

    def __init__(self) -> None:
        self.told: list[object] = []
        self.transport: ChannelTransport

    def note(self, what: str, *more: object) -> None:
        """Note a call."""
        self.told.append((what, *more) if more else what)
        if what == self.fails:
            raise ZeroDivisionError(what)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note."""
        self.transport = cast("ChannelTransport", transport)
        self.note("made")

    def data_received(self, data: bytes) -> None:
        """Note."""
        self.note("data", data)

    def eof_received(self) -> bool:
        """Note."""
        self.note("eof")
        return self.half_open

    def pause_writing(self) -> None:
        """Note."""
        self.note("pause")

    def resume_writing(self) -> None:
        """Note."""
        self.note("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        """Note."""
        self.note("lost", type(exc))


class Small(asyncio.BufferedProtocol):
    """Has a buffer of four bytes."""

    def __init__(self, size: int = 4) -> None:
        self.buffer = bytearray(size)
        self.taken: list[bytes] = []
        self.successor: asyncio.Protocol | None = None
        self.transport: ChannelTransport

    def get_buffer(self, sizehint: int) -> bytearray:
        """Give the same buffer again."""
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what came; then the successor has its turn."""
        self.taken.append(bytes(self.buffer[:nbytes]))
        if self.successor is not None:
            self.transport.set_protocol(self.successor)


class Bench:
    """A session whose channel was opened."""

    def __init__(self, protocol: asyncio.BaseProtocol, *, started: bool = True) -> None:
        self.channel = Channel()
        self.ended: list[ChannelSession] = []
        self.session = ChannelSession(protocol, FACTS, self.ended.append)
        self.session.connection_made(cast("asyncssh.SSHTCPChannel[bytes]", self.channel))
        if started:
            self.session.session_started()

    @property
    def transport(self) -> ChannelTransport:
        """The transport."""
        assert self.session._transport is not None
        return self.session._transport


@pytest.fixture
def protocol() -> Protocol:
    """Give what notes."""
    return Protocol()


@pytest.fixture
async def bench(protocol: Protocol) -> Bench:
    """Give a session of it."""
    return Bench(protocol)


@pytest.fixture
def errors(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """Give what sets the loop's handler, and then holds what came to it."""

    def collect() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: found.append(context))
        return found

    return collect


async def turn() -> None:
    """Let the loop do what it was asked to do soon."""
    await asyncio.sleep(0)


async def test_a_connection_is_made_only_when_the_channel_is_open(protocol: Protocol) -> None:
    """asyncssh's connection_made comes before the channel can be written to."""
    bench = Bench(protocol, started=False)
    assert protocol.told == []

    bench.session.session_started()

    assert protocol.told == ["made"]


async def test_it_tells_the_peer_and_nothing_of_ssh(bench: Bench) -> None:
    """The facts are told; the SSH server's own address and socket are not."""
    tell = bench.transport.get_extra_info

    assert [tell(name) for name in FACTS] == list(FACTS.values())
    assert tell("socket") is None
    assert tell("socket", "none") == "none"


async def test_bytes_of_every_kind_are_written(bench: Bench) -> None:
    """bytes, bytearray, memoryview, and several pieces at once."""
    bench.transport.write(b"a")
    bench.transport.write(bytearray(b"b"))
    bench.transport.write(memoryview(b"c"))
    bench.transport.writelines([b"d", memoryview(b"e")])

    assert bytes(bench.channel.written) == b"abcde"
    assert bench.transport.get_write_buffer_size() == 5


async def test_writing_after_the_end_does_nothing(bench: Bench) -> None:
    """A peer that has gone is no error for who writes; asyncssh would raise."""
    bench.channel.closing = True

    bench.transport.write(b"late")

    assert not bench.channel.written


async def test_writing_after_close_does_nothing(bench: Bench) -> None:
    """What is written after close() is dropped, as on a socket."""
    bench.transport.write(b"before")
    bench.transport.close()
    bench.transport.write(b"after")

    assert bytes(bench.channel.written) == b"before"


async def test_writing_after_eof_is_a_mistake(bench: Bench) -> None:
    """As with asyncio's own transports."""
    assert bench.transport.can_write_eof()
    bench.transport.write_eof()

    with pytest.raises(RuntimeError):
        bench.transport.write(b"x")
    assert bench.channel.calls == ["eof"]


async def test_close_lets_the_channel_flush(bench: Bench, protocol: Protocol) -> None:
    """close() closes the channel, once; the protocol is told when the channel has ended."""
    bench.transport.close()
    bench.transport.close()

    assert bench.transport.is_closing()
    assert bench.channel.calls == ["close"]
    assert protocol.told == ["made"]
    bench.session.connection_lost(None)
    assert protocol.told == ["made", ("lost", type(None))]
    assert bench.ended == [bench.session]


async def test_abort_tells_at_once(bench: Bench, protocol: Protocol) -> None:
    """abort() doesn't wait for the server, and what the server says later is not told again."""
    bench.transport.abort()
    await turn()
    assert protocol.told == ["made", ("lost", type(None))]

    bench.session.connection_lost(None)

    assert protocol.told.count(("lost", type(None))) == 1
    assert bench.channel.calls == ["abort"]
    assert bench.ended == [bench.session]


async def test_a_lost_login_is_a_reset(bench: Bench, protocol: Protocol) -> None:
    """Protocols know OSError, not asyncssh's errors."""
    bench.session.connection_lost(asyncssh.ConnectionLost("Connection lost"))

    assert protocol.told[-1] == ("lost", ConnectionResetError)


async def test_a_session_that_never_began_ends_quietly(protocol: Protocol) -> None:
    """The channel of a login that is lost meanwhile may never be opened."""
    ended: list[ChannelSession] = []
    session = ChannelSession(protocol, FACTS, ended.append)

    session.connection_lost(None)

    assert protocol.told == []
    assert ended == [session]


async def test_the_peers_end_closes(bench: Bench, protocol: Protocol) -> None:
    """Unless the protocol objects, the transport closes when the peer has finished."""
    assert bench.session.eof_received() is True  # else asyncssh would send an end of its own

    assert protocol.told == ["made", "eof"]
    assert bench.channel.calls == ["close"]


async def test_a_protocol_may_go_on_writing(bench: Bench, protocol: Protocol) -> None:
    """A protocol that returns true from eof_received keeps its direction."""
    protocol.half_open = True
    bench.session.eof_received()
    bench.transport.write(b"still here")

    assert bench.channel.calls == []
    assert bytes(bench.channel.written) == b"still here"


async def test_reading_pauses_and_goes_on(bench: Bench) -> None:
    """Resuming comes in the loop's next turn, so no data arrives inside the call."""
    bench.transport.pause_reading()
    assert not bench.transport.is_reading()
    bench.transport.resume_reading()
    assert bench.channel.calls == ["pause"]
    await turn()

    assert bench.channel.calls == ["pause", "resume"]
    assert bench.transport.is_reading()


async def test_pausing_again_wins(bench: Bench) -> None:
    """Who resumes and pauses in one turn stays paused."""
    bench.transport.pause_reading()
    bench.transport.resume_reading()
    bench.transport.pause_reading()
    await turn()

    assert "resume" not in bench.channel.calls


async def test_a_pause_in_connection_made_holds() -> None:
    """asyncssh begins to read after session_started, whatever was asked for in it."""

    class Paused(Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.transport.pause_reading()

    bench = Bench(Paused())
    bench.channel.resume_reading()  # asyncssh's own
    await turn()

    assert bench.channel.calls[-1] == "pause"


async def test_writing_is_held_up(bench: Bench, protocol: Protocol) -> None:
    """The protocol is told when the window is full, and when there is room."""
    bench.session.pause_writing()
    bench.session.resume_writing()

    assert protocol.told == ["made", "pause", "resume"]


@pytest.mark.parametrize(
    ("high", "low", "limits"),
    [
        (None, None, (16384, 65536)),
        (100, None, (25, 100)),
        (None, 100, (100, 400)),
        (100, 0, (0, 100)),
    ],
)
async def test_write_limits(
    bench: Bench, high: int | None, low: int | None, limits: tuple[int, int]
) -> None:
    """The limits are asyncio's, and the channel's too."""
    bench.transport.set_write_buffer_limits(high, low)

    assert bench.transport.get_write_buffer_limits() == limits == bench.channel.limits


async def test_write_limits_in_the_wrong_order(bench: Bench) -> None:
    """A low mark above the high one is a mistake."""
    with pytest.raises(ValueError, match="must be >="):
        bench.transport.set_write_buffer_limits(high=1, low=2)


async def test_a_buffered_protocol_is_fed_piece_by_piece() -> None:
    """Data goes into the protocol's own buffer, however small it is."""
    small = Small()
    Bench(small).session.data_received(b"0123456789", None)

    assert small.taken == [b"0123", b"4567", b"89"]


async def test_a_protocol_may_be_exchanged_amid_data(protocol: Protocol) -> None:
    """What is left of the data goes to the protocol that was put in the other's place."""
    small = Small()
    bench = Bench(small)
    small.transport, small.successor = bench.transport, protocol

    bench.session.data_received(b"0123456789", None)

    assert small.taken == [b"0123"]
    assert protocol.told == [("data", b"456789")]
    assert bench.transport.get_protocol() is protocol


@pytest.mark.parametrize("what", ["made", "data", "eof", "pause", "resume"])
async def test_a_failing_protocol_ends_its_own_connection(
    what: str, protocol: Protocol, errors: Callable[[], list[dict[str, Any]]]
) -> None:
    """An error in a protocol is reported and ends that channel; asyncssh never sees it."""
    found = errors()
    protocol.fails = what
    bench = Bench(protocol)
    for call in (
        lambda: bench.session.data_received(b"x", None),
        bench.session.pause_writing,
        bench.session.resume_writing,
        bench.session.eof_received,
    ):
        call()
    await turn()

    assert isinstance(found[0]["exception"], ZeroDivisionError)
    assert "abort" in bench.channel.calls
    assert protocol.told[-1] == ("lost", ZeroDivisionError)


async def test_a_protocol_that_fails_at_its_end(
    bench: Bench, protocol: Protocol, errors: Callable[[], list[dict[str, Any]]]
) -> None:
    """An error in connection_lost is reported, and the channel is forgotten all the same."""
    found = errors()
    protocol.fails = "lost"

    bench.session.connection_lost(None)

    assert len(found) == 1
    assert bench.ended == [bench.session]


async def test_a_buffer_without_room_is_reported(
    errors: Callable[[], list[dict[str, Any]]],
) -> None:
    """A protocol whose buffer is empty would be fed for ever."""
    found = errors()
    bench = Bench(Small(size=0))

    bench.session.data_received(b"x", None)

    assert isinstance(found[0]["exception"], RuntimeError)
    assert bench.channel.calls == ["abort"]
