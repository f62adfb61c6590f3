"""
The transport of a session that SOCKS BIND brought: the client closes first, or is reset.

Who closes first keeps the port for a minute (TIME_WAIT), and on the proxy that is the listener's
own port. SMTP servers close first, after QUIT. So `close` waits a moment for the client to do it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

from ..feeding import feed
from ..sockets import reset_on_close
from ..transport import ProxiedTransport


class LingeringTransport(ProxiedTransport):
    """
    A `ProxiedTransport` whose `close` sends what was written, then waits for the peer to close.

    The protocol is told at once that the connection is lost. A peer that does not close within
    `linger` seconds, or within as many after it last took something, is reset; so is one that is
    left by `abort`.
    """

    def __init__(
        self, below: asyncio.Transport, facts: Mapping[str, object], receiver: Receiver
    ) -> None:
        super().__init__(below, facts)
        self._receiver = receiver
        self._closing = False
        self._timer: asyncio.TimerHandle | None = None
        self._unsent = 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Make another protocol the one that is told what happens, as STARTTLS does."""
        self._receiver.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Give the protocol that is told what happens."""
        return self._receiver.protocol

    def is_closing(self) -> bool:
        """Say whether the transport is closing or closed."""
        return self._closing or super().is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data; does not block, and does nothing after `close`."""
        if not self._closing:
            super().write(data)

    def pause_reading(self) -> None:
        """Receive nothing until `resume_reading`; does nothing after `close`."""
        if not self._closing:
            super().pause_reading()

    def close(self) -> None:
        """Send what was written; close when the peer has closed, or has not for too long."""
        if self.is_closing():
            return
        self._closing = True
        self._receiver.dismiss()
        if self._receiver.at_end or not self._receiver.linger:
            super().close()
            return
        self.resume_reading()
        self._unsent = self.get_write_buffer_size()
        self._wait()

    def abort(self) -> None:
        """Reset the connection; what was written may be lost."""
        self._prepare_reset()
        super().abort()

    def _force_close(self, error: BaseException | None) -> None:
        self._prepare_reset()
        super()._force_close(error)

    def _prepare_reset(self) -> None:
        self._closing = True
        self.settle()
        sock = self.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            reset_on_close(sock)

    def hurry(self) -> None:
        """Close now if this is waiting for the peer to do it."""
        if self._timer is not None:
            self.settle()
            super().close()

    def settle(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._receiver.linger, self._give_up)

    def _give_up(self) -> None:
        """Reset a peer that does not close; one that is still taking what was written may go on."""
        unsent, self._unsent = self._unsent, self.get_write_buffer_size()
        if self._unsent < unsent:
            self._wait()
        else:
            self.abort()


class Receiver(asyncio.Protocol):
    """
    What the connection itself talks to: passes all on to `protocol`, until it is dismissed.

    `linger` is how long the transport waits for the peer to close, in seconds, 0 for not at all.
    `on_lost` is called when the connection is really gone.
    """

    def __init__(
        self,
        protocol: asyncio.BaseProtocol,
        facts: Mapping[str, object],
        *,
        linger: float,
        on_lost: Callable[[], None],
    ) -> None:
        self.protocol = protocol
        self.linger = linger
        self.at_end = False
        self._facts = facts
        self._on_lost = on_lost
        self._dismissed = False
        self._transport: LingeringTransport | None = None

    def dismiss(self) -> None:
        """Tell the protocol that its connection is lost, and nothing more from now on."""
        self._dismissed = True
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def no_more_lingering(self) -> None:
        """Wait for no peer to close, now or later: nobody needs the port again."""
        self.linger = 0
        if self._transport is not None:
            self._transport.hurry()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the protocol its transport."""
        below = cast("asyncio.Transport", transport)
        self._transport = LingeringTransport(below, self._facts, self)
        try:
            self.protocol.connection_made(self._transport)
        except BaseException:
            self._transport.abort()  # else it would hold the port
            raise

    def data_received(self, data: bytes) -> None:
        """Pass data on, in the way that the protocol takes it."""
        feed(lambda: None if self._dismissed else self.protocol, data)

    def eof_received(self) -> bool | None:
        """Note that the peer will say nothing more, and pass it on."""
        self.at_end = True
        if self._dismissed:
            return False
        return cast("asyncio.Protocol", self.protocol).eof_received()

    def pause_writing(self) -> None:
        """Pass on that enough was written for now."""
        if not self._dismissed:
            self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that more may be written."""
        if not self._dismissed:
            self.protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on that the connection is gone."""
        if self._transport is not None:
            self._transport.settle()
        try:
            if not self._dismissed:
                self._dismissed = True
                self.protocol.connection_lost(exc)
        finally:
            self._on_lost()
