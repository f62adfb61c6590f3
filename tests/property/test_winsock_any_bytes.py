"""The codec for every value and for any bytes."""

from typing import Final

from hypothesis import given
from hypothesis import strategies as st

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
from bindpost.proxy.winsock.wire import MAXIMUM_LENGTH, Address, CodecError

U8: Final = st.integers(0, 0xFF)
U16: Final = st.integers(0, 0xFFFF)
U32: Final = st.integers(0, 0xFFFFFFFF)
IDS: Final = st.binary(min_size=4, max_size=4)
HOSTS: Final = st.ip_addresses(v=4).map(str)
ADDRESSES: Final = st.builds(Address, HOSTS, U16)
LATIN: Final = st.characters(min_codepoint=1, max_codepoint=0xFF)
NAMES: Final = st.text(LATIN, max_size=255)
NOTICES: Final = st.builds(
    BindInfo,
    bind_id=IDS,
    peer=ADDRESSES,
    internal_port=U16,
    external=ADDRESSES,
    copied=st.binary(min_size=2, max_size=2),
    padding=st.binary(min_size=8, max_size=8),
)
KNOWN_CLASSES: Final = {0x04, 0x05, 0x08, 0x10, 0x25, 0x47}
KNOWN_COMMANDS: Final = {0x0701, 0x0704, 0x0706, 0x0707, 0x0708, 0x0709, 0x070A}
MESSAGES: Final[st.SearchStrategy[Message]] = st.one_of(
    st.builds(
        Hello,
        system=st.builds(System, major=U32, minor=U32, build=U32, platform=U32, processor=U32),
        user=NAMES,
        executable=NAMES,
        computer=NAMES,
    ),
    st.builds(HelloAck, control=ADDRESSES),
    st.builds(Acknowledgement, sub_code=U8.filter(lambda code: code != 6), value=U16),
    st.builds(Authentication, sub_code=U8, value=U32, token=st.binary(max_size=1800)),
    st.builds(Bind, port=U16, local_port=U16, address=HOSTS, kill_old=st.booleans()),
    st.builds(BindAck, bind_id=IDS, external=ADDRESSES),
    st.builds(TcpBind, bind_id=IDS, backlog=U32, local_port=U16),
    st.builds(TcpBindAck, bind_id=IDS, internal_port=U16, external=ADDRESSES),
    st.builds(Listening, external=ADDRESSES, local_port=U16),
    NOTICES,
    st.builds(BindInfoAck, notice=NOTICES),
    st.just(SessionEnd()),
    st.just(AddressInUse()),
    st.builds(Refusal, operation=U8),
    st.builds(
        Unknown,
        code=U16.filter(lambda c: c >> 8 not in KNOWN_CLASSES and c not in KNOWN_COMMANDS),
    ),
)
PACKETS: Final = st.builds(
    Packet,
    message=MESSAGES,
    client_id=IDS,
    server_id=IDS,
    ack=U8,
    sequence=U8,
    application=st.text(LATIN, max_size=15),
)


@given(PACKETS)
def test_what_is_written_is_read_back(packet: Packet) -> None:
    """Reading a written packet gives the packet."""
    assert Packet.loads(packet.dumps()) == packet


@given(st.binary(max_size=MAXIMUM_LENGTH + 2))
def test_any_bytes_raise_nothing_but_codec_error(data: bytes) -> None:
    """Reading any bytes gives a packet or `CodecError`."""
    try:
        Packet.loads(data)
    except CodecError:
        return


@given(PACKETS, st.integers(0, 400), st.binary(max_size=64))
def test_damaged_packet_raises_nothing_but_codec_error(
    packet: Packet, offset: int, noise: bytes
) -> None:
    """Reading a packet with bytes replaced anywhere gives a packet or `CodecError`."""
    data = packet.dumps()
    try:
        Packet.loads(data[:offset] + noise + data[offset + len(noise) :])
    except CodecError:
        return


@given(PACKETS)
def test_no_datagram_is_shorter_than_a_real_client_accepts(packet: Packet) -> None:
    """Every packet has 172 bytes, a bind's acknowledgement 212, a bind 220."""
    least = {BindAck: 212, Bind: 220}.get(type(packet.message), 172)

    assert len(packet.dumps()) >= least
