"""The PROXY protocol's header: every field as the specification has it, and what is no header."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from bindpost.proxy.haproxy.codec import (
    LONGEST_V1,
    LONGEST_V2,
    Command,
    Header,
    TcpRoute,
    UnixRoute,
    dumps,
    loads,
    read,
)
from bindpost.proxy.haproxy.signature import SIGNATURE, looks_like_header
from bindpost.proxy.haproxy.tlv import HeaderError, Kind, Ssl, Tlv, by_name, crc32c

IPV4 = TcpRoute(ip_address("192.0.2.1"), 56324, ip_address("198.51.100.2"), 25)
IPV6 = TcpRoute(ip_address("2001:db8::1"), 56324, ip_address("2001:db8::2"), 25)
V4_BLOCK = bytes.fromhex("c0000201 c6336402 dc04 0019")


def v2(
    block: bytes = b"", *, family: int = 0x11, command: int = 0x21, length: int | None = None
) -> bytes:
    """Give a version 2 header by its fields."""
    size = len(block) if length is None else length
    return SIGNATURE + bytes((command, family)) + size.to_bytes(2, "big") + block


def tlv(kind: int, value: bytes) -> bytes:
    """Give a piece by its fields."""
    return bytes((kind,)) + len(value).to_bytes(2, "big") + value


def problem(data: bytes) -> str:
    """Give what is wrong with a header."""
    with pytest.raises(HeaderError) as caught:
        loads(data)
    return str(caught.value)


# Version 1 (2.1)


@pytest.mark.parametrize(
    ("line", "route"),
    [
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n", IPV4),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 25\r\n", IPV6),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
        (b"PROXY UNKNOWN \x00 whatever, it is ignored\r\n", None),
    ],
)
def test_version_1(line: bytes, route: TcpRoute | None) -> None:
    """A line gives its addresses and ports, UNKNOWN none."""
    assert loads(line) == Header(version=1, route=route)


@pytest.mark.parametrize(
    "family", ["TCP4 255.255.255.255 255.255.255.255", f"TCP6 {'ffff:' * 7}ffff {'ffff:' * 7}ffff"]
)
def test_longest_addresses_of_version_1(family: str) -> None:
    """The specification's worst cases are taken."""
    header = loads(f"PROXY {family} 65535 65535\r\n".encode())

    assert isinstance(header.route, TcpRoute)
    assert header.route.destination_port == 65535


def test_longest_line_of_version_1() -> None:
    """107 bytes are taken, CRLF included; one more is not."""
    line = b"PROXY UNKNOWN ".ljust(LONGEST_V1 - 2, b"x") + b"\r\n"

    assert loads(line) == Header(version=1)
    assert "no CRLF in the first 107 bytes" in problem(line.replace(b"\r\n", b"x\r\n"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\n", "bare LF"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324\r25\r\n", "two addresses and two ports"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 \r\n", "no port"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25 \r\n", "two addresses and two ports"),
        (b"PROXY TCP4 192.0.2.1  198.51.100.2 56324 25\r\n", "two addresses and two ports"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 65536\r\n", "no port"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 025\r\n", "no port"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 -1\r\n", "no port"),
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 2\xb2\r\n", "no port"),
        (b"PROXY TCP4 192.0.2.01 198.51.100.2 56324 25\r\n", "no IPv4 address"),
        (b"PROXY TCP4 2001:db8::1 2001:db8::2 56324 25\r\n", "no IPv4 address"),
        (b"PROXY TCP6 192.0.2.1 198.51.100.2 56324 25\r\n", "no IPv6 address"),
        (b"PROXY TCP6 fe80::1%eth0 2001:db8::2 56324 25\r\n", "no IPv6 address"),
        (b"PROXY UDP4 192.0.2.1 198.51.100.2 56324 25\r\n", "none of TCP4"),
        (b"PROXY unknown\r\n", "none of TCP4"),
        (b"PROXY \r\n", "none of TCP4"),
    ],
)
def test_bad_lines(line: bytes, said: str) -> None:
    """What doesn't exactly match is refused, and the reason is told."""
    assert said in problem(line)


# Version 2 (2.2)


def test_version_2_over_ipv4() -> None:
    """Addresses and ports stand in network order."""
    assert loads(v2(V4_BLOCK)) == Header(version=2, route=IPV4)


def test_version_2_over_ipv6() -> None:
    """IPv6 addresses have 16 bytes each."""
    ends = bytes.fromhex("20010db8000000000000000000000001 20010db8000000000000000000000002")

    assert loads(v2(ends + V4_BLOCK[8:], family=0x21)) == Header(version=2, route=IPV6)


def test_version_2_over_a_unix_socket() -> None:
    """Paths are padded to 108 bytes; an abstract one begins with a zero."""
    block = b"/run/haproxy.sock".ljust(108, b"\0") + b"\0abstract".ljust(108, b"\0")
    header = loads(v2(block, family=0x31))

    assert header.route == UnixRoute(b"/run/haproxy.sock", b"\0abstract")


def test_local_is_skipped_unread() -> None:
    """With LOCAL neither family nor block count, whatever is in them."""
    assert loads(v2(b"\xff" * 9, family=0xFF, command=0x20)) == Header(
        version=2, command=Command.LOCAL
    )


@pytest.mark.parametrize("family", [0x00, 0x12, 0x22, 0x32])
def test_what_is_no_stream_has_no_route(family: int) -> None:
    """Unspecified and datagrams' families are taken, their addresses are not."""
    assert loads(v2(b"\xff" * 20, family=family)) == Header(version=2)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (v2(V4_BLOCK, command=0x11), "version 1 is unknown"),
        (v2(V4_BLOCK, command=0x31), "version 3 is unknown"),
        (v2(V4_BLOCK, command=0x22), "command 2 is unknown"),
        (v2(V4_BLOCK, family=0x13), "0x13 are unknown"),
        (v2(V4_BLOCK, family=0x41), "0x41 are unknown"),
        (v2(V4_BLOCK, family=0x10), "0x10 are unknown"),
        (v2(V4_BLOCK[:-1]), "too short for its addresses"),
        (v2(V4_BLOCK, family=0x21), "too short for its addresses"),
        (v2(V4_BLOCK, family=0x31), "too short for its addresses"),
        (v2(V4_BLOCK, length=13), "cut off"),
        (v2(V4_BLOCK + b"\x02"), "last piece is cut off"),
        (v2(V4_BLOCK + b"\x02\x00\x05mail"), "piece AUTHORITY is cut off"),
        (v2(V4_BLOCK + tlv(0x05, b"x" * 129)), "more than 128 bytes"),
        (v2(V4_BLOCK + tlv(0x20, b"\x01\0\0\0")), "SSL piece is too short"),
        (v2(V4_BLOCK + tlv(0x20, b"\x01\0\0\0\0\x21\x00")), "last piece is cut off"),
        (v2(V4_BLOCK + tlv(0x03, b"\0\0\0")), "4 bytes"),
        (v2(V4_BLOCK + tlv(0x03, b"\0\0\0\0")), "checksum is wrong"),
        (v2(V4_BLOCK + tlv(0x03, b"\0\0\0\0") * 2), "several checksums"),
        (v2(V4_BLOCK) + b"EHLO", "4 bytes follow"),
        (b"", "cut off"),
        (b"EHLO client\r\n", "begins like no header"),
        (b"PROXX", "begins like no header"),
        (SIGNATURE[:-1] + b"!", "begins like no header"),
    ],
)
def test_bad_bytes(data: bytes, said: str) -> None:
    """What the specification tells to drop is refused, and the reason is told."""
    assert said in problem(data)


def test_the_length_is_bounded() -> None:
    """A header may have 4096 bytes; a longer one is refused before it has come."""
    padding = LONGEST_V2 - len(v2(V4_BLOCK)) - 3

    assert len(v2(V4_BLOCK + tlv(0x04, bytes(padding)))) == LONGEST_V2
    assert loads(v2(V4_BLOCK + tlv(0x04, bytes(padding)))).route == IPV4
    with pytest.raises(HeaderError, match="4097 bytes"):
        read(v2(length=LONGEST_V2 - 16 + 1))


# Reading from a stream


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n",
        b"PROXY UNKNOWN\r\n",
        v2(V4_BLOCK + tlv(0x02, b"mail.example")),
        v2(command=0x20, family=0),
    ],
)
def test_every_cut_needs_more(data: bytes) -> None:
    """Each beginning of a header asks for more, the whole of it doesn't, whatever follows."""
    assert [read(data[:end]) for end in range(len(data))] == [None] * len(data)
    assert read(data + b"EHLO client\r\n") == (loads(data), len(data))


@pytest.mark.parametrize(
    ("data", "length"),
    [(b"EHLO", 1), (b"PROXIED", 5), (b"\r\nEHLO", 3), (b"\r\n\r\n\0\r\nQUIT\r", 12)],
)
def test_what_cannot_become_a_header_is_refused_at_once(data: bytes, length: int) -> None:
    """The first byte that fits no header ends it; nobody waits for the rest."""
    assert read(data[: length - 1]) is None
    with pytest.raises(HeaderError):
        read(data[:length])


# Pieces (TLVs)


def test_pieces_by_name() -> None:
    """Registered types have their names, others their numbers; padding and checksum don't show."""
    ssl = Ssl(
        client=5,
        verify=0,
        tlvs=(
            Tlv(Kind.SSL_VERSION, b"TLSv1.3"),
            Tlv(Kind.SSL_CN, "müller".encode()),
            Tlv(Kind.SSL_CIPHER, b"TLS_AES_256_GCM_SHA384"),
        ),
    )
    tlvs = (
        Tlv(Kind.AUTHORITY, b"mail.example"),
        Tlv(Kind.NOOP, b"\0\0"),
        Tlv(Kind.UNIQUE_ID, b"id-1"),
        Tlv(Kind.ALPN, b"smtp"),
        Tlv(Kind.NETNS, b"blue"),
        ssl.dumps(),
        Tlv(0xEA, b"\x01vpce-08d2\xff"),
    )
    header = Header(version=2, route=IPV4, tlvs=tlvs)

    assert by_name(loads(dumps(header)).tlvs) == {
        "AUTHORITY": "mail.example",
        "UNIQUE_ID": "id-1",
        "ALPN": "smtp",
        "NETNS": "blue",
        "SSL_CLIENT": 5,
        "SSL_VERIFY": 0,
        "SSL_VERSION": "TLSv1.3",
        "SSL_CN": "müller",
        "SSL_CIPHER": "TLS_AES_256_GCM_SHA384",
        "0xEA": "\x01vpce-08d2\\xff",
    }


def test_the_first_piece_of_a_type_counts() -> None:
    """A second AUTHORITY changes nothing."""
    assert by_name([Tlv(2, b"first"), Tlv(2, b"second")]) == {"AUTHORITY": "first"}


def test_ssl_inside_ssl_is_only_bytes() -> None:
    """Pieces nest once, so no header can make the reader go deep."""
    value = b""
    while len(value) < LONGEST_V2 - 100:
        value = b"\0" * 5 + tlv(Kind.SSL, value)

    assert isinstance(by_name(loads(v2(V4_BLOCK + tlv(Kind.SSL, value))).tlvs)["SSL"], str)


def test_crc32c() -> None:
    """The check value of the polynomial's catalogue entry (CRC-32/ISCSI) comes out."""
    assert crc32c(b"123456789") == 0xE3069283


def test_a_good_checksum() -> None:
    """A checksum made with its field at zero is right; with another byte changed it is wrong."""
    blank = v2(V4_BLOCK + tlv(0x02, b"mail.example") + tlv(0x03, b"\0\0\0\0"))
    good = blank[:-4] + crc32c(blank).to_bytes(4, "big")

    assert loads(good).route == IPV4
    assert "checksum" in problem(good.replace(b"mail", b"nail"))


# Writing


@pytest.mark.parametrize(
    ("header", "line"),
    [
        (Header(version=1, route=IPV4), b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n"),
        (Header(version=1, route=IPV6), b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 25\r\n"),
        (Header(version=1), b"PROXY UNKNOWN\r\n"),
        (Header(version=2, route=IPV4), v2(V4_BLOCK)),
        (Header(version=2, command=Command.LOCAL), v2(family=0, command=0x20)),
    ],
)
def test_writing(header: Header, line: bytes) -> None:
    """A header is written as the specification has it."""
    assert dumps(header) == line


@pytest.mark.parametrize(
    "header",
    [
        Header(version=1, route=UnixRoute(b"/a", b"/b")),
        Header(version=1, route=IPV4, tlvs=(Tlv(2, b"x"),)),
        Header(version=1, command=Command.LOCAL),
        Header(version=2, command=Command.LOCAL, route=IPV4),
        Header(version=2, tlvs=(Tlv(2, b"x"),)),
        Header(version=2, route=IPV4, tlvs=(Tlv(4, bytes(LONGEST_V2)),)),
        Header(version=2, route=UnixRoute(b"/" * 109, b"")),
        Header(version=2, route=TcpRoute(IPV4.source, 1, IPV6.source, 1)),
        Header(version=1, route=TcpRoute(IPV4.source, 65536, IPV4.source, 1)),
    ],
)
def test_what_cannot_be_said(header: Header) -> None:
    """A header that its version can't express is not written wrongly, but refused."""
    with pytest.raises(HeaderError):
        dumps(header)


# The hint on a listener that expects no header


@pytest.mark.parametrize(
    ("line", "version"),
    [
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n", "v1"),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 25", "v1"),
        (b"PROXY UNKNOWN", "v1"),
        (b"\0\r\n", "v2"),
        (b"\0", "v2"),
        (v2(V4_BLOCK), "v2"),
        (b"PROXY", None),
        (b"PROXY please", None),
        (b"proxy tcp4 1 2 3 4", None),
        (b"\r\n", None),
        (b"", None),
        (b"QUIT\n", None),
        (b"QUIT\r\n", None),
        (b"EHLO client\r\n", None),
        (b"\0EHLO\r\n", None),
    ],
)
def test_a_header_that_nobody_expects(line: bytes, version: str | None) -> None:
    """A line of a header is told from commands, honest and garbled ones."""
    assert looks_like_header(line) == version
