"""The transport that a session gets when a proxy brought its connection: it tells the real peer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, cast

from .provider import ProtocolFactory


class ProxiedTransport(asyncio.Transport):
    """
    A transport that does all that the one below it does, but knows where the peer really is.

    Extra info in `facts` (`peername`, `sockname`, `via`) comes before what the transport below
    says. `set_protocol` works, so STARTTLS does. Data does not pass through this object: the
    transport below talks to the protocol itself.
    """

    _start_tls_compatible = True  # what loop.start_tls asks for

    def __init__(self, below: asyncio.Transport, facts: Mapping[str, object]) -> None:
        super().__init__()
        self._below = below
        self._facts = facts

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Give a fact about the connection; `peername` is the real peer."""
        if name in self._facts:
            return self._facts[name]
        return self._below.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Make another protocol the one that is told what happens, as STARTTLS does."""
        self._below.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Give the protocol that is told what happens."""
        return self._below.get_protocol()

    def is_closing(self) -> bool:
        """Say whether the transport is closing or closed."""
        return self._below.is_closing()

    def close(self) -> None:
        """Flush what was written, then close."""
        self._below.close()

    def abort(self) -> None:
        """Close at once; what was written may be lost."""
        self._below.abort()

    def _force_close(self, error: BaseException | None) -> None:
        """Close at once for an error; asyncio's TLS protocol calls this on what it sits on."""
        force_close = getattr(self._below, "_force_close", None)
        if force_close is None:
            self._below.abort()
        else:
            force_close(error)

    def is_reading(self) -> bool:
        """Say whether data is being received."""
        return self._below.is_reading()

    def pause_reading(self) -> None:
        """Receive nothing until `resume_reading`."""
        self._below.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._below.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the sizes in bytes at which the protocol is told to pause and to resume writing."""
        self._below.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Give the sizes in bytes at which the protocol is told to resume and to pause writing."""
        return self._below.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        """Give the number of bytes that were written and not yet sent."""
        return self._below.get_write_buffer_size()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send data; does not block."""
        self._below.write(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send several pieces of data; does not block."""
        self._below.writelines(list_of_data)

    def can_write_eof(self) -> bool:
        """Say whether `write_eof` works; not over TLS."""
        return self._below.can_write_eof()

    def write_eof(self) -> None:
        """Tell the peer that nothing more comes, after all that was written."""
        self._below.write_eof()


def proxied(protocol_factory: ProtocolFactory, facts: Mapping[str, object]) -> ProtocolFactory:
    """Make a factory whose protocols get a `ProxiedTransport` with these facts."""
    return lambda: _Handover(protocol_factory(), facts)


class _Handover(asyncio.Protocol):
    """Stands in for the real protocol until the transport exists, then steps out of the way."""

    def __init__(self, protocol: asyncio.BaseProtocol, facts: Mapping[str, object]) -> None:
        self._protocol = protocol
        self._facts = facts

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        below = cast("asyncio.Transport", transport)
        below.set_protocol(self._protocol)
        self._protocol.connection_made(ProxiedTransport(below, self._facts))
