"""The PROXY protocol's codec for every value, and for any bytes."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv6Address, ip_address

from hypothesis import given
from hypothesis import strategies as st

from bindpost.proxy.haproxy.codec import (
    Command,
    Header,
    TcpRoute,
    UnixRoute,
    dumps,
    loads,
    read,
)
from bindpost.proxy.haproxy.signature import SIGNATURE, looks_like_header
from bindpost.proxy.haproxy.tlv import HeaderError, Kind, Ssl, Tlv, by_name

PORTS = st.integers(0, 65535)
ROUTES = st.one_of(
    st.builds(TcpRoute, st.ip_addresses(v=4), PORTS, st.ip_addresses(v=4), PORTS),
    st.builds(TcpRoute, st.ip_addresses(v=6), PORTS, st.ip_addresses(v=6), PORTS),
)
PATHS = st.binary(max_size=108).map(lambda path: path.replace(b"\0", b"/"))
UNIX_ROUTES = st.builds(UnixRoute, PATHS, PATHS)
PLAIN_TLVS = st.builds(
    Tlv,
    st.integers(0, 255).filter(lambda kind: kind not in (Kind.CRC32C, Kind.SSL)),
    st.binary(max_size=128),
)
SSL_TLVS = st.builds(
    Ssl,
    client=st.integers(0, 255),
    verify=st.integers(0, 0xFFFFFFFF),
    tlvs=st.lists(PLAIN_TLVS, max_size=3).map(tuple),
).map(Ssl.dumps)
TLVS = st.lists(PLAIN_TLVS | SSL_TLVS, max_size=5).map(tuple)
HEADERS = st.one_of(
    st.builds(Header, version=st.just(1), route=st.none() | ROUTES),
    st.builds(Header, version=st.just(2), route=ROUTES | UNIX_ROUTES, tlvs=TLVS),
    st.builds(Header, version=st.just(2), command=st.sampled_from(Command)),
)
BEGINNINGS = st.sampled_from(
    [b"", b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ", SIGNATURE, SIGNATURE + b"\x21\x11\x00"]
)


@given(HEADERS)
def test_every_header_is_read_as_it_was_written(header: Header) -> None:
    """`loads` undoes `dumps`."""
    assert loads(dumps(header)) == header


@given(HEADERS, st.binary(max_size=20))
def test_what_follows_is_left(header: Header, rest: bytes) -> None:
    """The length is the header's own, whatever comes behind it."""
    data = dumps(header)

    assert read(data + rest) == (header, len(data))


@given(HEADERS, st.data())
def test_a_beginning_asks_for_more(header: Header, choice: st.DataObject) -> None:
    """No beginning of a good header is ever taken for a bad one, or for all of it."""
    data = dumps(header)

    assert read(data[: choice.draw(st.integers(0, len(data) - 1))]) is None


@given(BEGINNINGS, st.binary())
def test_any_bytes(beginning: bytes, rest: bytes) -> None:
    """Whatever comes is read, needs more, or is refused by the codec's own error."""
    data = beginning + rest
    with contextlib.suppress(HeaderError):
        by_name(loads(data).tlvs)
    with contextlib.suppress(HeaderError):
        found = read(data)
        assert found is None or 0 < found[1] <= len(data)
    assert looks_like_header(data) in ("v1", "v2", None)


@given(HEADERS, st.data())
def test_a_damaged_header(header: Header, choice: st.DataObject) -> None:
    """A byte that is changed gives another header or the codec's own error."""
    data = bytearray(dumps(header))
    data[choice.draw(st.integers(0, len(data) - 1))] = choice.draw(st.integers(0, 255))

    with contextlib.suppress(HeaderError):
        by_name(loads(bytes(data)).tlvs)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_every_address_is_written_so_that_others_read_it(
    address: IPv4Address | IPv6Address,
) -> None:
    """Version 1's text is the address's usual one."""
    line = dumps(Header(version=1, route=TcpRoute(address, 1, address, 2)))

    assert ip_address(line.split()[2].decode()) == address
