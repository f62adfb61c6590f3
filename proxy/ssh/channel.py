"""A peer's connection inside SSH, as the transport that asyncio's protocols know."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

import asyncssh

from ..feeding import feed

HIGH_WATER: Final = 64 * 1024
"""Unsent bytes from which on a protocol is told to pause writing; asyncio's own number."""


class ChannelTransport(asyncio.Transport):
    """
    A transport whose bytes go through an SSH channel.

    Extra info: what `facts` says (`peername`, `sockname`, `via`), and nothing of the SSH connection
    itself. `close()` sends what was written; the end is told when the SSH server has passed it on.
    `set_protocol` works, so STARTTLS does, and `BufferedProtocol`s are fed, so TLS does.
    """

    _start_tls_compatible = True  # what loop.start_tls asks for

    def __init__(
        self,
        channel: asyncssh.SSHTCPChannel[bytes],
        protocol: asyncio.BaseProtocol,
        facts: Mapping[str, object],
    ) -> None:
        super().__init__()
        self._channel = channel
        self._protocol = protocol
        self._facts = facts
        self._loop = asyncio.get_running_loop()
        self._limits = (HIGH_WATER // 4, HIGH_WATER)
        self._paused = False
        self._closing = False
        self._wrote_eof = False
        self._ended = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Give a fact about the connection; `peername` is the real peer."""
        return self._facts.get(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Make another protocol the one that is told what happens, as STARTTLS does."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Give the protocol that is told what happens."""
        return self._protocol

    def is_closing(self) -> bool:
        """Say whether the transport is closing or closed."""
        return self._closing

    def close(self) -> None:
        """Send what was written, then close."""
        if not self._closing:
            self._closing = True
            self._channel.close()

    def abort(self) -> None:
        """Close at once; what was written may be lost."""
        self._force_close(None)

    def _force_close(self, error: BaseException | None) -> None:
        """Close at once for an error; asyncio's TLS protocol calls this on what it sits on."""
        self._closing = True
        self._channel.abort()
        self._loop.call_soon(self.end, error)

    def is_reading(self) -> bool:
        """Say whether data is being received."""
        return not (self._paused or self._closing)

    def pause_reading(self) -> None:
        """Receive nothing until `resume_reading`; the peer is held up when the window is full."""
        if not self._closing:
            self._paused = True
            self._channel.pause_reading()

    def resume_reading(self) -> None:
        """Receive again, from the loop's next turn on."""
        if self._paused:
            self._paused = False
            self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        if not (self._paused or self._closing):
            self._channel.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the sizes in bytes at which the protocol is told to pause and to resume writing."""
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not 0 <= low <= high:
            raise ValueError(f"high ({high}) must be >= low ({low}) must be >= 0")
        self._limits = (low, high)
        if not self._closing:
            self._channel.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Give the sizes in bytes at which the protocol is told to resume and to pause writing."""
        return self._limits

    def get_write_buffer_size(self) -> int:
        """Give the number of bytes that were written and not yet sent."""
        return self._channel.get_write_buffer_size()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data; does not block. After `close()`, or when the peer is gone, it does nothing."""
        if self._wrote_eof:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not (self._closing or self._channel.is_closing()):
            self._channel.write(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send several pieces of data; does not block."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Say that `write_eof` works."""
        return True

    def write_eof(self) -> None:
        """Tell the peer that nothing more comes, after all that was written."""
        if not (self._closing or self._wrote_eof):
            self._wrote_eof = True
            self._channel.write_eof()

    # What the channel tells

    def begin(self) -> None:
        """Tell the protocol that it has a connection."""
        self._tell("connection_made", lambda: self._protocol.connection_made(self))
        if self._paused:  # asyncssh begins to read when this returns
            self._loop.call_soon(self._pause_again)

    def _pause_again(self) -> None:
        if self._paused:
            self._channel.pause_reading()

    def feed(self, data: bytes) -> None:
        """Give data to the protocol."""
        buffered = isinstance(self._protocol, asyncio.BufferedProtocol)
        what = "buffer_updated" if buffered else "data_received"
        self._tell(what, lambda: feed(self.get_protocol, data))

    def feed_eof(self) -> None:
        """Tell the protocol that the peer sends nothing more; unless it objects, close."""
        protocol = cast("asyncio.Protocol", self._protocol)
        if not self._closing and not self._tell("eof_received", protocol.eof_received):
            self.close()

    def pause_writing(self) -> None:
        """Tell the protocol to write no more for now."""
        self._tell("pause_writing", self._protocol.pause_writing)

    def resume_writing(self) -> None:
        """Tell the protocol to write again."""
        self._tell("resume_writing", self._protocol.resume_writing)

    def end(self, error: BaseException | None) -> None:
        """Tell the protocol that the connection is lost; only the first time counts."""
        if not self._ended:
            self._ended = self._closing = True
            reason = error if isinstance(error, Exception) else None
            self._tell("connection_lost", lambda: self._protocol.connection_lost(reason))

    def _tell(self, what: str, call: Callable[[], object]) -> object:
        """Call a protocol; its error ends this connection, where it would end all of asyncssh's."""
        try:
            return call()
        except Exception as error:
            self._loop.call_exception_handler(
                {
                    "message": f"Fatal error: protocol.{what}() call failed.",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
            if not self._ended:
                self._force_close(error)
            return None


class ChannelSession(asyncssh.SSHTCPSession[bytes]):
    """
    What asyncssh calls when something happens on a channel; hands it to a `ChannelTransport`.

    `on_end` is called when the channel is gone, once, and after the protocol has been told.
    """

    def __init__(
        self,
        protocol: asyncio.BaseProtocol,
        facts: Mapping[str, object],
        on_end: Callable[[ChannelSession], None],
    ) -> None:
        self._protocol = protocol
        self._facts = facts
        self._on_end = on_end
        self._transport: ChannelTransport | None = None

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        """Make the transport; the channel can be used only from `session_started` on."""
        self._transport = ChannelTransport(chan, self._protocol, self._facts)

    def session_started(self) -> None:
        """Begin."""
        assert self._transport is not None
        self._transport.begin()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Pass data on."""
        del datatype  # only sessions with a program have more than one kind
        assert self._transport is not None
        self._transport.feed(data)

    def eof_received(self) -> bool:
        """Pass the end of the peer's data on; closing is the transport's business."""
        assert self._transport is not None
        self._transport.feed_eof()
        return True

    def pause_writing(self) -> None:
        """Pass on that the window is full."""
        assert self._transport is not None
        self._transport.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that there is room again."""
        assert self._transport is not None
        self._transport.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the protocol of the end, in terms that it knows."""
        if self._transport is not None:
            self._transport.end(None if exc is None else _translated(exc))
        self._on_end(self)


def _translated(error: Exception) -> OSError:
    """Give asyncssh's error as what a TCP connection would have said."""
    if isinstance(error, OSError):
        return error
    return ConnectionResetError(errno.ECONNRESET, f"the SSH connection was lost: {error}")
