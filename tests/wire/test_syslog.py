"""The syslog sink on real sockets: datagrams, octet counts, servers that go and come."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bindpost.server.eventlog import EventRecord
from bindpost.server.eventlog.sinks.syslog import LONGEST_DATAGRAM, SyslogAddress, SyslogSink
from bindpost.server.eventlog.sinks.syslog_form import encode

PATIENCE = 10.0


def sink_to(text: str) -> SyslogSink:
    """Make a sink."""
    return SyslogSink(SyslogAddress.parse(text), facility=2, enterprise=32473)


@pytest.fixture(params=["udp4", "udp6", "unix"])
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """Give a datagram receiver and its address."""
    if request.param == "unix":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(str(tmp_path / "log"))
        address = f"unix:{tmp_path / 'log'}"
    else:
        family, host = (
            (socket.AF_INET, "127.0.0.1") if request.param == "udp4" else (socket.AF_INET6, "::1")
        )
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.bind((host, 0))
        port = sock.getsockname()[1]
        address = f"udp://[{host}]:{port}" if ":" in host else f"udp://{host}:{port}"
    sock.settimeout(PATIENCE)
    with sock:
        yield address, sock


def test_one_record_is_one_datagram(
    receiver: tuple[str, socket.socket], bind_failed: EventRecord
) -> None:
    """Each record comes whole, in a datagram of its own."""
    address, sock = receiver
    sink = sink_to(address)
    for _ in range(2):
        sink.write(bind_failed)
    sink.close()

    assert [sock.recv(65536), sock.recv(65536)] == [encode(bind_failed)] * 2


def test_a_datagram_is_cut_to_what_receivers_take(
    receiver: tuple[str, socket.socket], bind_failed: EventRecord
) -> None:
    """Too long a sentence is cut between two characters."""
    address, sock = receiver
    sink = sink_to(address)
    sink.write(replace(bind_failed, message="ü" * 4000))
    sink.close()

    got = sock.recv(65536)
    assert LONGEST_DATAGRAM - 2 < len(got) <= LONGEST_DATAGRAM
    assert got.decode().endswith("ü")


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Give a TCP server."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE)
        yield listening


def counted(stream: socket.socket, count: int) -> list[bytes]:
    """Read so many messages, each behind its length in octets (RFC 6587, 3.4.1)."""
    messages = []
    with stream.makefile("rb") as lines:
        for _ in range(count):
            length = b""
            while (digit := lines.read(1)) != b" ":
                length += digit
            messages.append(lines.read(int(length)))
    return messages


def test_tcp_counts_octets(server: socket.socket, bind_failed: EventRecord) -> None:
    """Over TCP a message may be of any length, and hold any character."""
    sink = sink_to(f"tcp://127.0.0.1:{server.getsockname()[1]}")
    long = replace(bind_failed, message="ü" * 4000)
    sink.write(bind_failed)
    sink.write(long)
    connection, _ = server.accept()
    with connection:
        connection.settimeout(PATIENCE)
        assert counted(connection, 2) == [encode(bind_failed), encode(long)]
    sink.close()


def test_a_server_that_has_ended_is_noticed_and_found_again(
    server: socket.socket, bind_failed: EventRecord
) -> None:
    """The first record after a restart fails, to be tried again; a dead stream takes none."""
    sink = sink_to(f"tcp://127.0.0.1:{server.getsockname()[1]}")
    sink.write(bind_failed)
    first, _ = server.accept()
    first.shutdown(socket.SHUT_RDWR)
    first.close()

    with pytest.raises(OSError, match=r"closed|reset|[Bb]roken"):
        sink.write(bind_failed)
    sink.write(bind_failed)

    second, _ = server.accept()
    with second:
        second.settimeout(PATIENCE)
        assert counted(second, 1) == [encode(bind_failed)]
    sink.close()


@pytest.mark.parametrize("scheme", ["tcp", "unix"])
def test_nobody_there_is_an_error_that_may_pass(
    scheme: str, tmp_path: Path, bind_failed: EventRecord
) -> None:
    """Without a server a record fails with `OSError`, which its courier tries again."""
    with socket.socket() as taken:  # bound, not listening: nobody else can answer there
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        target = f"tcp://127.0.0.1:{port}" if scheme == "tcp" else f"unix:{tmp_path / 'none'}"
        sink = sink_to(target)

        with pytest.raises(OSError, match=r"refused|No such"):
            sink.write(bind_failed)
        sink.close()
