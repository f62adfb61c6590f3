"""The transport that tells the real peer: what it adds, and that it passes on everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from bindpost.proxy.transport import ProxiedTransport, proxied

FACTS = {"peername": ("192.0.2.1", 4711), "via": "winsock://10.0.0.1:1745"}


class _Below(asyncio.Transport):
    """A transport that notes what it is asked to do."""

    def __init__(self) -> None:
        super().__init__({"peername": ("10.0.0.1", 1), "cipher": "TLS"})
        self.calls: list[tuple[object, ...]] = []
        self.protocol: asyncio.BaseProtocol = asyncio.Protocol()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def is_closing(self) -> bool:
        return True

    def close(self) -> None:
        self.calls.append(("close",))

    def abort(self) -> None:
        self.calls.append(("abort",))

    def is_reading(self) -> bool:
        return True

    def pause_reading(self) -> None:
        self.calls.append(("pause_reading",))

    def resume_reading(self) -> None:
        self.calls.append(("resume_reading",))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.calls.append(("limits", high, low))

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return (1, 2)

    def get_write_buffer_size(self) -> int:
        return 3

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.calls.append(("write", data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.calls.append(("writelines", list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.calls.append(("write_eof",))


class _Forcible(_Below):
    """A transport with asyncio's private way to close for an error."""

    def _force_close(self, error: BaseException | None) -> None:
        self.calls.append(("force", error))


@pytest.fixture
def below() -> _Below:
    """What is below the wrapped transport."""
    return _Below()


@pytest.fixture
def transport(below: _Below) -> ProxiedTransport:
    """A wrapped transport."""
    return ProxiedTransport(below, FACTS)


def test_facts_come_before_what_is_below(transport: ProxiedTransport) -> None:
    """The real peer and the path are told; what is not a fact comes from below."""
    told = [transport.get_extra_info(name, "?") for name in ("peername", "via", "cipher", "no")]

    assert told == [FACTS["peername"], FACTS["via"], "TLS", "?"]


def test_orders_are_passed_on(transport: ProxiedTransport, below: _Below) -> None:
    """Everything that is asked of the transport is asked of the one below."""
    transport.write(b"a")
    transport.writelines([b"b"])
    transport.write_eof()
    transport.pause_reading()
    transport.resume_reading()
    transport.set_write_buffer_limits(high=2, low=1)
    transport.close()
    transport.abort()

    assert below.calls == [
        ("write", b"a"),
        ("writelines", [b"b"]),
        ("write_eof",),
        ("pause_reading",),
        ("resume_reading",),
        ("limits", 2, 1),
        ("close",),
        ("abort",),
    ]


def test_questions_are_passed_on(transport: ProxiedTransport, below: _Below) -> None:
    """Everything that the transport is asked is answered by the one below."""
    protocol = asyncio.Protocol()
    transport.set_protocol(protocol)

    assert below.protocol is protocol
    assert transport.get_protocol() is protocol
    assert (transport.is_closing(), transport.is_reading(), transport.can_write_eof()) == (
        True,
        True,
        True,
    )
    assert transport.get_write_buffer_limits() == (1, 2)
    assert transport.get_write_buffer_size() == 3


def test_error_closes_by_force_where_that_exists() -> None:
    """asyncio's TLS protocol can close the wrapped transport for an error."""
    below, error = _Forcible(), OSError("x")

    ProxiedTransport(below, FACTS)._force_close(error)

    assert below.calls == [("force", error)]


def test_error_aborts_where_there_is_no_force(transport: ProxiedTransport, below: _Below) -> None:
    """A transport without the private way is aborted."""
    transport._force_close(None)

    assert below.calls == [("abort",)]


def test_factory_hands_the_protocol_over(below: _Below) -> None:
    """The real protocol gets the wrapped transport, and what is below gets the real protocol."""
    made: list[asyncio.BaseTransport] = []

    class Real(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(transport)

    proxied(Real, FACTS)().connection_made(below)

    assert isinstance(below.protocol, Real)
    assert made[0].get_extra_info("peername") == FACTS["peername"]
