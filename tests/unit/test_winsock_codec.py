"""The codec against the datagrams that Dante's client and a stand-in exchanged."""

import re
from dataclasses import replace

import pytest

from bindpost.proxy.winsock.codec import Packet
from bindpost.proxy.winsock.messages import (
    Acknowledgement,
    AddressInUse,
    Authentication,
    Bind,
    BindAck,
    BindInfo,
    BindInfoAck,
    Hello,
    HelloAck,
    Listening,
    Message,
    Refusal,
    SessionEnd,
    System,
    TcpBind,
    TcpBindAck,
    Unknown,
)
from bindpost.proxy.winsock.wire import Address, CodecError

COMMON = "4: 00010200  24: 52575350"
BIND_ID = bytes.fromhex("01010000")
EXTERNAL = Address("127.0.0.2", 2525)
NOTICE = BindInfo(
    bind_id=BIND_ID,
    peer=Address("127.0.0.9", 0xEDB5),
    internal_port=0xE38B,
    external=EXTERNAL,
)
OFFSET = re.compile(r"(\d+): ((?:[0-9a-f]{2,} ?)+)")


def sample(length: int, text: str) -> bytes:
    """Build a datagram of zeros with the bytes that `OFFSET: HEX` lists name."""
    data = bytearray(length)
    for offset, digits in OFFSET.findall(f"{COMMON}  {text}"):
        piece = bytes.fromhex(digits.replace(" ", ""))
        data[int(offset) : int(offset) + len(piece)] = piece
    assert len(data) == length
    return bytes(data)


HELLO = (
    sample(
        220,
        "0: 0a000000  36: 0500  172: 48000000 14000000 04000000 00000000 57040004 01000000 4a020000"
        "  208: 30000000 41000000 39000000",
    )
    + b"root\0\0TELNET.EXE\0\0"
)
SAMPLES: dict[str, tuple[int, str, Message]] = {
    "bind": (220, "36: 0704  42: 0100  60: 09dd  64: 0200 09dd", Bind(port=2525, local_port=2525)),
    "bind-ack": (
        212,
        "36: 0706  44: 01010000  56: 0200 09dd 7f000002",
        BindAck(bind_id=BIND_ID, external=EXTERNAL),
    ),
    "tcp-bind": (
        222,
        "36: 0707  42: 0100  44: 01010000  56: 05000000 09dd 0000  64: 0200 09dd",
        TcpBind(bind_id=BIND_ID, local_port=2525),
    ),
    "tcp-bind-ack": (
        172,
        "36: 0708  44: 01010000  64: 0200 09dd 7f000002",
        TcpBindAck(bind_id=BIND_ID, external=EXTERNAL),
    ),
    "listen": (172, "36: 0406  56: 0200 09dd 7f000002", Listening(external=EXTERNAL)),
    "bind-info": (
        172,
        "36: 0709  44: 01010000  56: 0200 edb5 7f000009  72: e38b  74: 0200 09dd 7f000002",
        NOTICE,
    ),
    "bind-info-ack": (
        172,
        "36: 070a  42: 0100  44: 01010000  50: 0100  52: 01010000  56: 0200 edb5 7f000009"
        "  72: e38b 0200 09dd 7f000002",
        BindInfoAck(notice=NOTICE),
    ),
    "session-end": (172, "36: 251e", SessionEnd()),
    "hello-ack": (
        172,
        "36: 1000  56: 0200  64: 74010000 0c000000  76: 04000000  84: 65050000 02000000"
        "  96: 0200 06d1 7f000001",
        HelloAck(control=Address("127.0.0.1", 1745)),
    ),
    "user-info-ack": (172, "36: 0400  56: 0100", Acknowledgement()),
    "in-use": (172, "36: 0701", AddressInUse()),
    "refused": (172, "36: 0804", Refusal(operation=4)),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_message_is_written_as_recorded(name: str) -> None:
    """Each message has exactly the bytes that were seen on the wire."""
    length, text, message = SAMPLES[name]

    data = Packet(message=message, client_id=bytes(4)).dumps()

    assert data == sample(length, text)


@pytest.mark.parametrize("name", SAMPLES)
def test_recorded_message_is_read(name: str) -> None:
    """Each recorded datagram is read as the message that it is."""
    length, text, message = SAMPLES[name]

    packet = Packet.loads(sample(length, text))

    assert packet == Packet(message=message, client_id=bytes(4))


def test_recorded_hello_is_read_string_by_string() -> None:
    """Dante's hello is read although its lengths and offsets do not fit its strings."""
    packet = Packet.loads(HELLO)

    assert len(HELLO) == 238
    assert packet == Packet(
        message=Hello(
            system=System(major=4, minor=0, build=0x04000457, platform=1, processor=586),
            user="root",
            executable="TELNET.EXE",
            computer="",
        )
    )


def test_hello_differs_from_the_recorded_one_in_its_lengths_only() -> None:
    """Our hello with Dante's values is Dante's, but with a length and offsets that are right."""
    ours = bytearray(Packet.loads(HELLO).dumps())
    length = int.from_bytes(ours[172:176], "little")
    user, computer, executable = (
        int.from_bytes(ours[offset : offset + 4], "little") for offset in (208, 212, 216)
    )

    assert length == len(ours) - 172
    assert ours[172 + user :].startswith(b"root\0")
    assert ours[172 + computer :] == b"\0"
    assert ours[172 + executable :].startswith(b"TELNET.EXE\0")
    ours[172:176], ours[208:220] = HELLO[172:176], HELLO[208:220]
    assert bytes(ours) == HELLO


def test_ids_numbers_and_application_stand_in_the_common_part() -> None:
    """Client id, server id, ack, sequence and application have their fixed places."""
    data = Packet(
        message=SessionEnd(),
        client_id=b"abcd",
        server_id=b"wxyz",
        ack=3,
        sequence=255,
        application="MSEXCIMC.EXE",
    ).dumps()

    assert data == sample(
        172,
        "0: 61626364  8: 7778797a  12: 03  16: ff  36: 251e  156: 4d5345584349 4d432e455845",
    )


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (0x05FF, Hello),
        (0x1042, HelloAck),
        (0x0411, Acknowledgement),
        (0x081E, Refusal),
        (0x2500, SessionEnd),
        (0x4714, Authentication),
        (0x0703, Unknown),
    ],
)
def test_command_is_read_by_its_class(command: int, kind: type[Message]) -> None:
    """Where the sub-code is a leftover, the message class alone decides."""
    packet = Packet.loads(sample(172, f"36: {command:04x}"))

    assert type(packet.message) is kind


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"220 mail.example.com ESMTP\r\n",
        bytes(172),
        sample(171, ""),
        sample(2049, ""),
        sample(172, "4: 00010300"),
    ],
    ids=["empty", "smtp", "zeros", "short", "long", "version"],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    """What is no message of this version, or has not its length, raises `CodecError`."""
    with pytest.raises(CodecError):
        Packet.loads(data)


@pytest.mark.parametrize(
    "packet",
    [
        Packet(message=SessionEnd(), application="SIXTEEN-LETTERS!"),
        Packet(message=SessionEnd(), application="a\0b"),
        Packet(message=SessionEnd(), application="\u20ac"),
        Packet(message=SessionEnd(), client_id=b"abc"),
        Packet(message=SessionEnd(), sequence=256),
        Packet(message=Bind(port=65536, local_port=1)),
        Packet(message=Bind(port=1, local_port=1, address="localhost")),
        Packet(message=BindAck(bind_id=b"12345", external=EXTERNAL)),
        Packet(message=BindInfoAck(notice=replace(NOTICE, padding=bytes(7)))),
        Packet(message=Acknowledgement(sub_code=6)),
        Packet(message=Refusal(operation=256)),
        Packet(message=Unknown(code=0x0704)),
        Packet(message=Hello(computer="x" * 2048)),
    ],
)
def test_value_without_bytes_is_refused(packet: Packet) -> None:
    """A value that has no room in its field raises `CodecError`, never another error."""
    with pytest.raises(CodecError):
        packet.dumps()
