"""Capture files of the control channel: bytes that Wireshark opens."""

import errno
import io
import struct

import pytest

from bindpost.proxy.winsock.pcap import (
    LONGEST,
    Recorder,
    file_header,
    ipv4_packet,
    packet_record,
)
from bindpost.proxy.winsock.wire import Address

HERE, THERE = Address("10.0.0.1", 1745), Address("10.0.0.9", 3000)


def ones_complement_sum(data: bytes) -> int:
    """Add 16-bit words as RFC 1071 has it; over data with its checksum that gives 0xFFFF."""
    total = 0
    for (word,) in struct.iter_unpack(">H", data + b"\0" * (len(data) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


def udp_with_pseudo_header(packet: bytes) -> bytes:
    """Give what the UDP checksum covers."""
    return packet[12:20] + struct.pack(">2H", 17, len(packet) - 20) + packet[20:]


def test_the_file_begins_as_classic_pcap() -> None:
    """Magic, version 2.4, and packets that begin with the IP header (LINKTYPE_RAW)."""
    assert file_header().hex() == "d4c3b2a1020004000000000000000000ffff000065000000"


def test_a_packet_is_what_a_kernel_would_send() -> None:
    """Every byte of both headers, the checksums computed by another program (tshark)."""
    assert ipv4_packet(HERE, THERE, b"hi").hex() == (
        "4500001e000040004011" + "26c6" + "0a0000010a000009" + "06d10bb8000a" + "70de" + "6869"
    )


@pytest.mark.parametrize("length", [0, 1, 2, 3, 172, 213])
def test_both_checksums_hold(length: int) -> None:
    """Odd and even lengths add up, header and datagram."""
    packet = ipv4_packet(HERE, THERE, bytes(range(length % 256)))

    assert ones_complement_sum(packet[:20]) == 0xFFFF
    assert ones_complement_sum(udp_with_pseudo_header(packet)) == 0xFFFF


def test_a_checksum_of_zero_is_written_as_ones() -> None:
    """0 would mean that there is none (RFC 768)."""
    empty = ipv4_packet(HERE, THERE, b"\0\0")
    rest = struct.unpack(">H", empty[26:28])[0]  # as data it makes the sum come out as zero

    assert ipv4_packet(HERE, THERE, struct.pack(">H", rest))[26:28] == b"\xff\xff"


def test_a_record_carries_time_and_length() -> None:
    """Seconds and microseconds, rounded and carried; both lengths are the packet's."""
    record = packet_record(1_000_000_000.9999999, HERE, THERE, b"hi")

    assert struct.unpack("<4I", record[:16]) == (1_000_000_001, 0, 30, 30)
    assert record[16:] == ipv4_packet(HERE, THERE, b"hi")


def test_the_longest_datagram_fits() -> None:
    """The longest that IPv4 carries is written, one byte more is refused."""
    assert len(ipv4_packet(HERE, THERE, bytes(LONGEST))) == 65535

    with pytest.raises(ValueError, match="fit into a packet"):
        ipv4_packet(HERE, THERE, bytes(LONGEST + 1))


def test_a_recorder_writes_header_and_packets() -> None:
    """A recorder's file is the header and a record for each datagram, at its clock's time."""
    stream = io.BytesIO()
    recorder = Recorder(stream, failed=lambda _error: None, clock=lambda: 5.0)

    recorder.record("in", THERE, HERE, b"hi")
    recorder.record("out", HERE, THERE, b"ho")

    assert stream.getvalue() == file_header() + packet_record(
        5.0, THERE, HERE, b"hi"
    ) + packet_record(5.0, HERE, THERE, b"ho")


class FullDisk(io.BytesIO):
    """A file on a disk that is full after some bytes."""

    def write(self, data: object) -> int:
        """Write, or fail."""
        assert isinstance(data, bytes)
        if self.tell() >= 24:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


def test_a_full_disk_is_told_once_and_stops_the_recording() -> None:
    """The proxy goes on: the recorder tells the error and writes no more."""
    failures: list[OSError] = []
    recorder = Recorder(FullDisk(), failed=failures.append)

    for _ in range(3):
        recorder.record("in", THERE, HERE, b"hi")

    assert [error.errno for error in failures] == [errno.ENOSPC]
