"""Wireshark's dissector reads both halves of the Winsock Proxy, from our capture file and live."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.winsock import pcap
from bindpost.proxy.winsock.client_config import ClientConfig, parse_wspcfg
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
    TcpBind,
    TcpBindAck,
)
from bindpost.proxy.winsock.ntlm import Credentials
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.standin import WinsockProxyServer
from bindpost.proxy.winsock.standin_login import Accounts, LoginAcceptor
from bindpost.proxy.winsock.wire import Address

Program = Callable[[str], Path]

CONTROL = 1745
"""The dissector is bound to this port, and takes what comes from it for the server's."""
PATIENCE = 20.0


def own_address(block: int) -> str:
    """Give a loopback address that no other test run uses: its port 1745 must be free."""
    pid = os.getpid()
    return f"127.{block}.{pid >> 8 & 0xFF}.{pid & 0xFF}"


PROXY, OUTSIDE = own_address(101), own_address(102)
PEERS = (own_address(103), own_address(104))

COLUMNS = (
    "_ws.col.Info",
    "ip.checksum.status",
    "udp.checksum.status",
    "msproxy.command",
    "msproxy.client_id",
    "msproxy.server_id",
    "msproxy.client_ack",
    "msproxy.server_ack",
    "msproxy.seq_num",
    "msproxy.user_name",
    "msproxy.application_name",
    "msproxy.client_computer_name",
    "msproxy.serverport",
    "msproxy.serveraddr",
    "msproxy.bindaddr",
    "msproxy.bindport",
    "msproxy.clntport",
    "msproxy.bindid",
    "msproxy.boundport",
    "msproxy.server_int_port",
    "msproxy.server_ext_port",
    "msproxy.server_ext_addr",
    "msproxy.dstport",
    "msproxy.dstaddr",
    "msproxy.application",
    "msproxy.ntlmssp_signature",
    "msproxy.nt_domain",
)
OPTIONS = (
    *("-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"),
    *("-T", "fields", "-E", "separator=/t"),
    *(word for column in COLUMNS for word in ("-e", column)),
)


@dataclass(frozen=True)
class Frame:
    """A packet as the dissector shows it: its label, and the fields that are not empty."""

    label: str
    fields: dict[str, str]

    @classmethod
    def read(cls, line: str) -> Frame:
        """Read a line of output."""
        label, *values = line.rstrip("\n").split("\t")
        named = zip((name.removeprefix("msproxy.") for name in COLUMNS[1:]), values, strict=True)
        return cls(label, {name: value for name, value in named if value})


NAMED = (Bind, BindAck, TcpBind, TcpBindAck, Listening, BindInfo, BindInfoAck)
"""The messages in which the dissector looks for the program's name."""


def expected(datagram: bytes, *, from_server: bool) -> Frame:
    """Give what the dissector should show for a datagram of ours."""
    packet = Packet.loads(datagram)
    label, fields = _expected_of(packet.message, from_server=from_server)
    fields |= {
        "ip.checksum.status": "1",  # right
        "udp.checksum.status": "1",
        "command": str(packet.message.command),
        # It shows these as numbers, low byte first.
        "client_id": _hex_le(packet.client_id),
        "server_id": _hex_le(packet.server_id),
        # What the client has of the server, or the server of the client.
        ("client_ack" if from_server else "server_ack"): str(packet.ack),
        "seq_num": str(packet.sequence),
    }
    named = isinstance(packet.message, NAMED) or packet.message.command == 0x4701
    if packet.application and named:
        fields["application"] = packet.application
    return Frame(f"{'Server' if from_server else 'Client'} message: {label}", fields)


def _expected_of(message: Message, *, from_server: bool) -> tuple[str, dict[str, str]]:
    match message:
        case Hello():
            return "Hello", {
                "user_name": message.user,
                "application_name": message.executable,
                "client_computer_name": message.computer,
            }
        case HelloAck(control=control):
            return "Hello Acknowledge", {
                "serverport": str(control.port),
                "serveraddr": control.host,
            }
        case Bind():
            return "Bind", {
                "bindaddr": message.address,
                "bindport": str(message.port),
                "clntport": str(message.local_port),
                "boundport": "0",
            }
        case BindAck():
            return "Bind or Associate Acknowledge", {
                "bindid": _hex_be(message.bind_id),
                **_external(message.external),
            }
        case TcpBind():
            return "TCP Bind", {
                "bindid": _hex_be(message.bind_id),
                "boundport": str(message.local_port),
            }
        case TcpBindAck():
            return "TCP Bind Acknowledge", {
                "bindid": _hex_be(message.bind_id),
                "server_int_port": str(message.internal_port),
                **_external(message.external),
            }
        case Listening():
            return "Listen", {
                "dstport": str(message.external.port),
                "dstaddr": message.external.host,
                "clntport": str(message.local_port),
            }
        case BindInfo():
            return "Bind Info", _notice(message)
        case BindInfoAck(notice=notice):
            return "Bind Info Acknowledge", _notice(notice)
        case SessionEnd():
            return "Session End", {}
        case Authentication():
            return _login(message)
        case Acknowledgement(sub_code=0) if from_server:
            return "User Info Acknowledge", {}
    return "Unknown", {}


def _login(message: Authentication) -> tuple[str, dict[str, str]]:
    """0x4701 is shown as if it were 0x0707; of a domain in UTF-16 only the first letter is seen."""
    match message.sub_code:
        case Authentication.NEGOTIATE:
            return "Authentication", {"ntlmssp_signature": "NTLMSSP"}
        case Authentication.CHALLENGE:
            domain = message.token[48:49].decode()
            return "Authentication Acknowledge", {
                "ntlmssp_signature": "NTLMSSP",
                "nt_domain": domain,
            }
        case Authentication.AUTHENTICATE:
            return "Authentication 2", {"bindid": "0x00000000", "boundport": "0"}
    return "Authentication 2 Acknowledge", {}


def _notice(notice: BindInfo) -> dict[str, str]:
    return {
        "bindid": _hex_be(notice.bind_id),
        "dstport": str(notice.peer.port),
        "dstaddr": notice.peer.host,
        "server_int_port": str(notice.internal_port),
        **_external(notice.external),
    }


def _external(address: Address) -> dict[str, str]:
    return {"server_ext_port": str(address.port), "server_ext_addr": address.host}


def _hex_le(data: bytes) -> str:
    return f"0x{int.from_bytes(data, 'little'):08x}"


def _hex_be(data: bytes) -> str:
    return f"0x{int.from_bytes(data, 'big'):08x}"


def dissect(tshark: Path, file: Path) -> list[Frame]:
    """Have tshark read a capture file."""
    done = subprocess.run(
        [tshark, "-r", file, *OPTIONS], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    return [Frame.read(line) for line in done.stdout.splitlines()]


# One datagram of each command

BIND_ID = bytes((1, 2, 3, 4))
EXTERNAL = Address("203.0.113.5", 25)
NOTICE = BindInfo(
    bind_id=BIND_ID,
    peer=Address("198.51.100.77", 33221),
    internal_port=40001,
    external=EXTERNAL,
)
NEGOTIATE = Authentication(
    sub_code=Authentication.NEGOTIATE,
    value=2,
    token=b"NTLMSSP\0" + struct.pack("<II", 1, 0x8297) + bytes(16),
)
FROM_CLIENT: Sequence[Message] = (
    Hello(user="mailsvc", executable="MSEXCIMC.EXE", computer="EXCH01"),
    NEGOTIATE,
    Authentication(sub_code=Authentication.AUTHENTICATE, token=b"NTLMSSP\0" + bytes(60)),
    Bind(port=25, local_port=25),
    TcpBind(bind_id=BIND_ID, local_port=25),
    Listening(external=EXTERNAL),
    BindInfoAck(notice=NOTICE),
    SessionEnd(),
)
FROM_SERVER: Sequence[Message] = (
    HelloAck(control=Address("10.0.0.1", 1745)),
    Acknowledgement(),
    Authentication(
        sub_code=Authentication.CHALLENGE,
        token=LoginAcceptor(Accounts({})).challenge(NEGOTIATE.token),
    ),
    Authentication(sub_code=Authentication.DONE),
    Acknowledgement(sub_code=0x11),  # "unknown" to the dissector, as the next two are
    AddressInUse(),
    Refusal(operation=4),
    BindAck(bind_id=BIND_ID, external=EXTERNAL),
    TcpBindAck(bind_id=BIND_ID, internal_port=40001, external=EXTERNAL),
    NOTICE,
)


@pytest.mark.parametrize(
    ("message", "from_server"),
    [(message, False) for message in FROM_CLIENT] + [(message, True) for message in FROM_SERVER],
    ids=lambda value: f"{value.command:#06x}" if hasattr(value, "command") else None,
)
def test_each_command_is_read_as_it_is_meant(
    program: Program, tmp_path: Path, message: Message, from_server: bool
) -> None:
    """The dissector shows the command's name and every value that we put in."""
    tshark = program("tshark")
    here, there = Address("10.0.0.1", CONTROL), Address("10.0.0.9", 3000)
    source, destination = (here, there) if from_server else (there, here)
    datagram = Packet(
        message=message,
        client_id=bytes((9, 8, 7, 6)),
        server_id=bytes((5, 4, 3, 2)),
        ack=7,
        sequence=8,
        application="MSEXCIMC.EXE",
    ).dumps()
    file = tmp_path / "one.pcap"
    file.write_bytes(
        pcap.file_header() + pcap.packet_record(1_000_000_000.5, source, destination, datagram)
    )

    (frame,) = dissect(tshark, file)

    assert frame == expected(datagram, from_server=from_server)


# A session


class Banner(asyncio.Protocol):
    """Says a line and goes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say it."""
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"220 hello\r\n")
        transport.close()


@dataclass
class Heard:
    """The datagrams of a session as the stand-in's tap saw them."""

    datagrams: list[tuple[str, bytes]]

    def tap(self, way: str, _source: Address, _destination: Address, datagram: bytes) -> None:
        """Keep one."""
        self.datagrams.append((way, datagram))

    @property
    def frames(self) -> list[Frame]:
        """What the dissector should show."""
        return [expected(datagram, from_server=way == "out") for way, datagram in self.datagrams]


async def whole_session(tap: Callable[[str, Address, Address, bytes], None]) -> None:
    """Log in and bind through a stand-in, have two peers call, and end."""
    sections, _ = parse_wspcfg(
        "[msexcimc]\nServerBindTcpPorts=0-65535\nForceCredentials=1\n", "WSPCFG.INI"
    )
    provider = WinsockProvider(
        ClientConfig(servers=(PROXY,), wspcfg=sections),
        credentials=Credentials(user="LAB\\mailsvc", password="corr3ct-h0rse"),
    )
    accounts = {"LAB\\mailsvc": "corr3ct-h0rse"}
    async with WinsockProxyServer(PROXY, OUTSIDE, CONTROL, tap=tap, accounts=accounts) as proxy:
        listener = await provider.create_server(Banner, Endpoint(PROXY, 0))
        try:
            (bound,) = proxy.bound
            for peer in PEERS:
                reader, writer = await asyncio.open_connection(*bound, local_addr=(peer, 0))
                assert await reader.read() == b"220 hello\r\n"
                writer.close()
        finally:
            listener.close()
            await listener.wait_closed()
        await proxy.idle()


LABELS = [
    "Client message: Hello",
    "Server message: Hello Acknowledge",
    "Client message: Hello",
    "Server message: User Info Acknowledge",
    "Client message: Authentication",
    "Server message: Authentication Acknowledge",
    "Client message: Authentication 2",
    "Server message: Authentication 2 Acknowledge",
    "Client message: Bind",
    "Server message: Bind or Associate Acknowledge",
    "Client message: TCP Bind",
    "Server message: TCP Bind Acknowledge",
    "Client message: Listen",
    *("Server message: Bind Info", "Client message: Bind Info Acknowledge") * 2,
    *("Server message: User Info Acknowledge",) * 2,
    "Client message: Session End",
]


def same_session(frames: list[Frame], heard: Heard) -> None:
    """What the dissector shows is the session that took place, and all of it."""
    for side in ("Client", "Server"):  # which of two that cross is first, each end sees otherwise
        assert [frame for frame in frames if frame.label.startswith(side)] == [
            frame for frame in heard.frames if frame.label.startswith(side)
        ]
    assert sorted(frame.label for frame in frames) == sorted(LABELS)
    notices = [frame for frame in frames if frame.label == "Server message: Bind Info"]
    assert [notice.fields["dstaddr"] for notice in notices] == list(PEERS)


async def test_a_recorded_session_is_read(program: Program, tmp_path: Path) -> None:
    """Every datagram of a session in our capture file, checksums and all, is read as it is."""
    tshark = program("tshark")
    file = tmp_path / "session.pcap"
    heard = Heard([])
    failures: list[OSError] = []
    with file.open("wb") as stream:
        recorder = pcap.Recorder(stream, failed=failures.append)

        def tap(way: str, source: Address, destination: Address, datagram: bytes) -> None:
            heard.tap(way, source, destination, datagram)
            recorder.record(way, source, destination, datagram)

        await whole_session(tap)

    frames = await asyncio.to_thread(dissect, tshark, file)

    assert not failures
    same_session(frames, heard)


class Capture:
    """A tshark that captures on `lo`; `read` gives its frames one by one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.Queue[str] = queue.Queue()
        self._pump = threading.Thread(target=self._read, daemon=True)
        self._pump.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def wait_started(self) -> None:
        """Return when what is sent is seen."""
        probe = b"is anybody there?"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((PROXY, 0))
            for _ in range(int(PATIENCE / 0.2)):
                sock.sendto(probe, (PROXY, CONTROL))
                try:
                    self._lines.get(timeout=0.2)
                except queue.Empty:
                    assert self.process.poll() is None, "tshark has ended"
                else:
                    return
        raise AssertionError("tshark does not capture")

    def read_session(self) -> list[Frame]:
        """Give the frames up to the session's end; what is left of the probes is no message."""
        frames: list[Frame] = []
        while not frames or not frames[-1].label.endswith("Session End"):
            frame = Frame.read(self._lines.get(timeout=PATIENCE))
            if "command" in frame.fields:
                frames.append(frame)
        return frames

    def stop(self) -> None:
        """End it, by its own process id."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        self._pump.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def capturing(tshark: Path) -> Iterator[Capture]:
    """Capture what goes over the control port of this run's own address."""
    capture = Capture(
        subprocess.Popen(
            [
                *(tshark, "-l", "-n", "-i", "lo", "-f", f"udp port {CONTROL} and host {PROXY}"),
                *("-d", f"udp.port=={CONTROL},msproxy"),
                *OPTIONS,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    )
    try:
        yield capture
    finally:
        capture.stop()


async def test_a_live_session_is_read(program: Program) -> None:
    """What goes over the wire, captured from outside, is read as it is meant."""
    tshark = program("tshark")
    program("dumpcap")
    if os.geteuid() != 0:
        pytest.skip("capturing needs root")
    heard = Heard([])
    with capturing(tshark) as capture:
        await asyncio.to_thread(capture.wait_started)
        await whole_session(heard.tap)
        frames = await asyncio.to_thread(capture.read_session)

    for frame in frames:  # on lo the kernel leaves the checksum to a card that is none
        frame.fields["udp.checksum.status"] = "1"
    same_session(frames, heard)
