"""`bindpost lab proxy`: the stand-ins as processes of their own, with `bindpost serve` behind."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from bindpost.proxy.winsock import pcap
from bindpost.testing import PATIENCE, Record, Serve, Serving

INSIDE, OUTSIDE, PEER = "127.0.0.1", "127.0.0.2", "127.0.0.9"


class StandIn(Serving):
    """A `bindpost lab proxy` of its own."""

    def wait_ready(self) -> "StandIn":
        """Return when it is bound."""
        self.ready = self.wait_action("standin-ready")
        return self

    def wait_action(self, action: str) -> Record:
        """Give the first record of an event, past or to come."""
        return self.wait_for(lambda record: record["event"].get("action") == action)

    @property
    def address(self) -> tuple[str, int]:
        """Where clients find it."""
        host, _, port = self.ready["bindpost"]["internal"].rpartition(":")
        return host, int(port)


class Stand(Protocol):
    """Starts a stand-in on free ports."""

    def __call__(self, kind: str, *arguments: str) -> StandIn:
        """Start it; `StandIn.wait_ready` returns when it is bound."""
        ...


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """Start stand-ins; what still runs at the end is ended by its pid."""
    started: list[StandIn] = []

    def start(kind: str, *arguments: str) -> StandIn:
        where = ["--listen", f"{INSIDE}:0", "--external", OUTSIDE]
        standin = StandIn([*where, *arguments], folder=tmp_path, command=["lab", "proxy", kind])
        started.append(standin)
        return standin

    yield start
    for standin in started:
        standin.cleanup()


def url(kind: str, standin: StandIn, login: str = "") -> str:
    """Give the bind path through a stand-in."""
    scheme = {"winsock": "winsock", "socks5": "socks5"}[kind]
    host, port = standin.address
    return f"{scheme}://{login}{host}:{port}"


def listening(kind: str) -> str:
    """Give the endpoint for a bind through a stand-in: with SOCKS only the port is ours."""
    return "0.0.0.0:0" if kind == "socks5" else f"{INSIDE}:0"


def banner(address: tuple[str, int]) -> tuple[bytes, tuple[str, int]]:
    """Connect from outside; give the server's first line and the peer's own address."""
    with socket.create_connection(address, PATIENCE, source_address=(PEER, 0)) as sock:
        return sock.makefile("rb").readline(), sock.getsockname()


@pytest.mark.parametrize("kind", ["winsock", "socks5"])
def test_a_server_is_reached_through_it(
    stand: Stand, serve: Serve, tmp_path: Path, kind: str
) -> None:
    """The port is bound outside, a peer gets the banner, and the log tells each step."""
    standin = stand(kind, "--ready-file", str(tmp_path / "ready")).wait_ready()
    told = json.loads((tmp_path / "ready").read_text())
    serving = serve("--via", url(kind, standin), listen=listening(kind)).wait_ready()

    line, peer = banner(serving.smtp)

    assert told == {
        "pid": standin.process.pid,
        "internal": "{}:{}".format(*standin.address),
        "external": OUTSIDE,
    }
    assert line.startswith(b"220 ")
    bound = "{}:{}".format(*serving.smtp)
    assert bound.startswith(f"{OUTSIDE}:")
    assert standin.wait_action("standin-bound")["bindpost"]["address"] == bound
    assert standin.wait_action("standin-announced")["bindpost"]["peer"] == "{}:{}".format(*peer)
    assert serving.stop() == 0
    standin.wait_action("standin-ended")
    assert standin.stop() == 0
    actions = [record["event"].get("action") for record in standin.records]
    assert actions[:3] == ["standin-ready", "standin-session", "standin-bound"]


@pytest.mark.parametrize("kind", ["winsock", "socks5"])
def test_ctrl_c_ends_it_cleanly(stand: Stand, kind: str) -> None:
    """SIGINT is a way to stop it: status 0, no traceback."""
    standin = stand(kind).wait_ready()

    standin.process.send_signal(signal.SIGINT)

    assert standin.wait_end() == 0
    assert len(standin.records) == 1


@pytest.mark.parametrize(
    ("kind", "misbehaviour", "hop"),
    [
        ("winsock", "silent", "greeting"),
        ("winsock", "garbage", "greeting"),
        ("winsock", "refuse", "bind"),
        ("winsock", "slow:0.01,refuse", "bind"),
        ("socks5", "garbage", "greeting"),
        ("socks5", "refuse", "bind"),
        ("socks5", "no-bind", "bind"),
        ("socks5", "close-greeting", "greeting"),
    ],
)
def test_what_is_wrong_on_purpose_gives_4007(
    stand: Stand, serve: Serve, kind: str, misbehaviour: str, hop: str
) -> None:
    """With a misbehaving proxy the bind fails with 10050 and exit status 69."""
    standin = stand(kind, "--misbehave", misbehaviour).wait_ready()

    serving = serve("--via", url(kind, standin), listen=listening(kind))

    assert standin.ready["bindpost"]["misbehaving"]
    assert serving.wait_end() == 69
    record = next(record for record in serving.records if record.get("EventID") == 4007)
    assert (record["Data"], record["bindpost"]["hop"]) == (["10050"], hop)
    assert standin.stop() == 0


def test_one_that_dies_ends_by_itself(stand: Stand, serve: Serve) -> None:
    """`die` ends the process as it was told to, and its client loses the path."""
    standin = stand("winsock", "--misbehave", "die:bind").wait_ready()

    serving = serve("--via", url("winsock", standin))

    assert standin.wait_end() == 0
    assert "has died, as it was told to" in standin.records[-1]["message"]
    assert serving.wait_end() == 69


def test_ports_that_are_not_allowed_are_refused(stand: Stand, serve: Serve) -> None:
    """`--allow-port` leaves the rest out; both logs say so."""
    standin = stand("winsock", "--allow-port", "25,1-2").wait_ready()

    serving = serve("--via", url("winsock", standin))

    assert serving.wait_end() == 69
    refused = standin.wait_action("standin-refused")
    assert "0x0804" in refused["message"]


def test_a_port_that_is_taken_outside_is_10048(stand: Stand, serve: Serve) -> None:
    """With the policy `strict` a taken port is told, and bindpost fails."""
    standin = stand("socks5", "--port-policy", "strict").wait_ready()
    with socket.create_server((OUTSIDE, 0)) as other:
        port = other.getsockname()[1]
        serving = serve("--via", url("socks5", standin), listen=f"0.0.0.0:{port}")

        assert serving.wait_end() == 69

    assert "cannot be bound" in standin.wait_action("standin-refused")["message"]


def test_a_password_is_wanted_and_not_logged(stand: Stand, serve: Serve) -> None:
    """The right login binds, a wrong one does not, and no log has a password."""
    standin = stand("socks5", "--user", "me:s3cret").wait_ready()

    right = serve("--via", url("socks5", standin, "me:s3cret@"), listen="0.0.0.0:0").wait_ready()
    wrong = serve(
        *("--via", url("socks5", standin, "me:gu3ss@"), "--data", ":memory:"), listen="0.0.0.0:0"
    )

    assert wrong.wait_end() == 69
    assert standin.wait_action("standin-refused")["bindpost"]["reason"]
    assert right.stop() == 0
    assert standin.stop() == 0
    logged = json.dumps(standin.records)
    assert "s3cret" not in logged
    assert "gu3ss" not in logged


def test_a_datagram_that_is_no_message_is_told(stand: Stand) -> None:
    """What is dropped is logged, with the reason and where it came from."""
    standin = stand("winsock").wait_ready()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((PEER, 0))
        sock.sendto(b"GET / HTTP/1.0\r\n\r\n", standin.address)

        record = standin.wait_action("standin-dropped")

        assert record["bindpost"]["client"] == "{}:{}".format(*sock.getsockname())
    assert record["bindpost"]["bytes"] == 18
    assert "172" in record["bindpost"]["reason"]


def test_the_control_channel_is_recorded(stand: Stand, serve: Serve, tmp_path: Path) -> None:
    """`--record` leaves a capture file, whole when the stand-in has ended."""
    file = tmp_path / "wsp.pcap"
    standin = stand("winsock", "--record", str(file)).wait_ready()
    serving = serve("--via", url("winsock", standin)).wait_ready()
    assert serving.stop() == 0
    standin.wait_action("standin-ended")
    assert standin.stop() == 0

    data = file.read_bytes()

    assert data.startswith(pcap.file_header())
    assert data.count(b"RWSP") == 10  # hello to listen, and the end


@pytest.mark.parametrize("kind", ["winsock", "socks5"])
def test_an_address_of_another_machine_is_69(stand: Stand, kind: str) -> None:
    """What cannot be bound ends it with 69 and a line that names it."""
    for option in ("--listen=192.0.2.1:0", "--external=192.0.2.1"):
        standin = stand(kind, option)

        assert standin.wait_end() == 69
        assert "bind 192.0.2.1:0" in standin.records[-1]["not-json"]
        assert "(10049)" in standin.records[-1]["not-json"]


def test_a_control_port_that_is_taken_is_69(stand: Stand) -> None:
    """The hint of a UDP port tells how to find who has it."""
    first = stand("winsock").wait_ready()
    second = stand("winsock", "--listen", "{}:{}".format(*first.address))

    assert second.wait_end() == 69
    assert "(10048)" in second.records[-1]["not-json"]
    assert "ss -lunp" in second.records[-1]["not-json"]


def test_a_ready_file_that_cannot_be_written_is_told(stand: Stand, tmp_path: Path) -> None:
    """The option is named; the status is 2."""
    standin = stand("socks5", "--ready-file", str(tmp_path / "none" / "ready"))

    assert standin.wait_end() == 2
    assert "--ready-file" in standin.records[-1]["not-json"]


def test_curl_gets_through_the_socks_standin(
    program: Callable[[str], Path], stand: Stand, serve: Serve
) -> None:
    """CONNECT works for another program: curl reads bindpost's own page through the stand-in."""
    curl = program("curl")
    standin = stand("socks5", "--user", "me:s3cret").wait_ready()
    serving = serve().wait_ready()
    host, port = standin.address
    web = serving.ready["bindpost"]["web"]

    done = subprocess.run(
        [
            *(curl, "--silent", "--show-error", "--max-time", "20", "--fail"),
            *("--proxy", f"socks5h://me:s3cret@{host}:{port}", f"{web}/livez"),
        ],
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        env={name: value for name, value in os.environ.items() if name.lower() != "no_proxy"},
    )

    assert done.returncode == 0, done.stderr
    connected = standin.wait_action("standin-connected")
    assert connected["bindpost"]["address"] in web
