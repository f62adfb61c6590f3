"""The fault itself: what a failed bind says, how the process ends, and what cures it."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bindpost.proxy.local import free_port
from bindpost.testing import Record, Serve, Serving

SENTENCE = "The following error occurred while trying to bind the TCP/IP listener socket"


def failed_start(serving: Serving) -> Record:
    """Wait for the end of a start that must fail as IMS 5.5's did; gives the 4007 record."""
    assert serving.wait_end() == 69
    assert serving.event_ids()[:1] == [4007] or 4007 in serving.event_ids()
    assert serving.event_ids()[serving.event_ids().index(4007) :][:2] == [4007, 4020]
    assert "Error 2140" in serving.records[-1]["message"]
    return next(record for record in serving.records if record.get("EventID") == 4007)


def test_proxy_path_unusable(serve: Serve) -> None:
    """Nothing listens on the proxy's control port: 4007 with 10050, 4020, Error 2140, exit 69."""
    record = failed_start(
        serve("--via", f"winsock://127.0.0.1:{free_port(kinds=(socket.SOCK_DGRAM,))}")
    )

    assert record["message"] == f"{SENTENCE} (10050)"
    assert record["Provider_Name"] == "MSExchangeIMC"
    assert record["Data"] == ["10050"]
    assert record["error"]["code"] == "10050"
    assert record["error"]["type"] == "WSAENETDOWN"
    assert record["bindpost"]["hop"] in {"connect", "greeting"}
    assert record["bindpost"]["hint"]


def test_proxy_name_does_not_resolve(serve: Serve) -> None:
    """Q193928, scenario D: a proxy whose name doesn't resolve gives 10050, hop resolve."""
    record = failed_start(serve("--via", "winsock://proxy.invalid"))

    assert record["Data"] == ["10050"]
    assert record["bindpost"]["hop"] == "resolve"


def test_silent_proxy(serve: Serve) -> None:
    """A proxy that takes datagrams and never answers gives 10050."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        record = failed_start(serve("--via", f"winsock://127.0.0.1:{silent.getsockname()[1]}"))

    assert record["Data"] == ["10050"]


def test_port_taken(serve: Serve) -> None:
    """A port that another program holds gives 4007 with 10048."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        record = failed_start(serve(listen=f"127.0.0.1:{other.getsockname()[1]}"))

    assert record["Data"] == ["10048"]
    assert record["bindpost"]["hint"]


def test_not_our_address(serve: Serve) -> None:
    """An address of another machine gives 4007 with 10049."""
    record = failed_start(serve(listen="192.0.2.1:0"))

    assert record["Data"] == ["10049"]


@pytest.fixture
def without_rights() -> Iterator[list[str]]:
    """Give the command prefix that takes away the right to bind port 25."""
    import os
    import shutil

    setpriv = shutil.which("setpriv")
    if os.geteuid() == 0 and setpriv:
        yield [setpriv, "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
    elif os.geteuid() == 0:
        pytest.skip("setpriv is needed to take the right away from root")
    else:
        yield []


@pytest.mark.meets("direct:", "privileged")
def test_port_25_without_rights(without_rights: list[str], tmp_path: Path) -> None:
    """Port 25 without the right to it gives 4007 with 10013, and the hint says what to do."""
    threshold = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if threshold.exists() and int(threshold.read_text()) <= 25:
        pytest.skip("this machine lets everybody bind port 25 (ip_unprivileged_port_start)")
    done = subprocess.run(
        [
            *without_rights,
            sys.executable,
            "-m",
            "bindpost",
            "serve",
            "--log",
            "json",
            "--listen",
            "127.0.0.1:25",
            "--web",
            "off",
            "--data",
            ":memory:",
        ],
        capture_output=True,
        cwd=tmp_path,
        timeout=30,
        check=False,
    )

    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 69
    (record,) = [record for record in records if record.get("EventID") == 4007]
    assert record["Data"] == ["10013"]
    assert "1023" in record["bindpost"]["hint"]


def test_continue_keeps_the_others(serve: Serve) -> None:
    """With `continue` (4.0, Q146157) the other listeners and the web stay up."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        serving = serve("--listen", taken, "--on-bind-failure", "continue").wait_ready()

        assert len(serving.ready["bindpost"]["smtp"]) == 1
        assert serving.client.messages() == []
        assert serving.stop() == 0
    assert serving.event_ids().count(4007) == 1
    assert 4020 not in serving.event_ids()


def test_retry_binds_when_the_port_is_free(serve: Serve) -> None:
    """With `retry` 4007 comes once per cause, and the listener is there when the port is free."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        serving = serve("--on-bind-failure", "retry", listen=f"127.0.0.1:{other.getsockname()[1]}")
        serving.wait_for(lambda record: record.get("EventID") == 4007)

    serving.wait_ready()
    with socket.create_connection(serving.smtp) as peer:
        assert peer.recv(512).startswith(b"220 ")
    assert serving.stop() == 0
    assert serving.event_ids().count(4007) == 1


def test_clean_end(serve: Serve) -> None:
    """SIGTERM ends it with status 0 and event 1001, the only clean-stop signal that IMS had."""
    serving = serve().wait_ready()

    assert serving.stop() == 0
    assert serving.event_ids()[-1] == 1001


def test_stopping_a_start_that_waits_for_a_silent_proxy(serve: Serve) -> None:
    """SIGTERM ends a start that is still waiting, at once and with status 0: nothing has failed."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        serving = serve("--via", f"socks5://127.0.0.1:{port}", listen="0.0.0.0:0")
        asked, _ = silent.accept()
        with asked:
            assert asked.recv(1) == b"\x05"

            assert serving.stop() == 0

            while asked.recv(64):
                pass
    assert 4007 not in serving.event_ids()


def test_second_process_on_the_data_folder(serve: Serve, tmp_path: Path) -> None:
    """A second process on the same data folder says which process holds it, and exits 78."""
    first = serve().wait_ready()

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bindpost",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--web",
            "off",
            "--data",
            "data",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=30,
        check=False,
    )

    assert done.returncode == 78
    assert str(first.process.pid) in done.stderr
    assert "Traceback" not in done.stderr
