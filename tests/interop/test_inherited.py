"""Real systemd-socket-activate hands sockets over; mail comes in, on port 25 without rights too."""

from __future__ import annotations

import os
import smtplib
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from bindpost.proxy.local import free_port
from bindpost.testing import PATIENCE, Serve, Serving

DOCS = Path(__file__).parents[2] / "docs"
MAIL = b"From: a@example.org\r\nSubject: hi\r\n\r\nhello\r\n"
NOBODY = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
POWERLESS = ["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]


class Activate(Protocol):
    """Starts `bindpost serve` by systemd-socket-activate; `also` runs between the two."""

    def __call__(
        self, *arguments: str, listen: list[str], names: str = "", also: list[str] | None = None
    ) -> Serving:
        """Start it; it begins to serve when the first peer connects."""
        ...


@pytest.fixture
def activate(serve: Serve, program: Callable[[str], Path]) -> Activate:
    """Start by socket activation, on sockets that are listening when this returns."""

    def start(
        *arguments: str, listen: list[str], names: str = "", also: list[str] | None = None
    ) -> Serving:
        prefix = [str(program("systemd-socket-activate"))]
        prefix += [f"--listen={address}" for address in listen]
        prefix += [f"--fdname={names}"] if names else []
        serving = serve(
            "--data", ":memory:", *arguments, listen="", prefix=[*prefix, *(also or [])]
        )
        serving.wait_for(said(f"Listening on {listen[-1]}"))
        return serving

    return start


def said(text: str) -> Callable[[dict[str, Any]], bool]:
    """Match what systemd-socket-activate itself says: lines that are no JSON."""
    return lambda record: text in record.get("not-json", "")


def send_mail(port: int) -> None:
    """Send a mail, as a client on this machine."""
    with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
        assert client.sendmail("a@example.org", ["b@example.org"], MAIL) == {}


def test_mail_on_an_inherited_socket(activate: Activate) -> None:
    """The peer that woke the server up is served on the socket that it connected to."""
    port = free_port()
    serving = activate("--via", "inherit:", listen=[f"127.0.0.1:{port}"])

    send_mail(port)

    assert serving.wait_ready().smtp == ("127.0.0.1", port)
    (message,) = serving.client.messages()
    assert message.session.via == "inherit:"
    assert serving.stop() == 0


def test_several_sockets(activate: Activate, tmp_path: Path) -> None:
    """`inherit:` takes all sockets, of both kinds; the Unix socket's file stays when it ends."""
    path, port = tmp_path / "smtp.sock", free_port()
    serving = activate("--via", "inherit:", listen=[f"127.0.0.1:{port}", str(path)])

    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(PATIENCE)
        peer.connect(str(path))
        assert peer.recv(512).startswith(b"220 ")
    send_mail(port)

    assert serving.wait_ready().ready["bindpost"]["smtp"] == [f"127.0.0.1:{port}", f"unix:{path}"]
    assert serving.stop() == 0
    assert path.is_socket()


def test_sockets_by_name(activate: Activate, tmp_path: Path) -> None:
    """Each listener takes the sockets of its name."""
    ports = [free_port(), free_port()]
    (tmp_path / "bindpost.toml").write_text(
        '[[listener]]\nendpoint = "127.0.0.1:25"\nvia = "inherit:old"\npersonality = "imc-4.0"\n'
        '[[listener]]\nendpoint = "127.0.0.1:26"\nvia = "inherit:"\n'
    )
    activate(
        "--config",
        str(tmp_path / "bindpost.toml"),
        listen=[f"127.0.0.1:{port}" for port in ports],
        names="new:old",
    )

    banners = []
    for port in ports:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as peer:
            banners.append(peer.recv(512).decode())

    assert "ESMTP" in banners[0]
    assert "ESMTP" not in banners[1]


def test_nothing_handed_over(serve: Serve) -> None:
    """Without a service manager it is 4007 with 10022, and the hint names the tool to try."""
    serving = serve("--via", "inherit:")

    assert serving.wait_end() == 69
    record = next(record for record in serving.records if record.get("EventID") == 4007)
    assert record["Data"] == ["10022"]
    assert "systemd-socket-activate" in record["bindpost"]["hint"]


def test_a_connection_handed_over(activate: Activate) -> None:
    """What Accept=yes hands over, a connection, is 4007 with 10022 and the cure."""
    port = free_port()
    serving = activate("--via", "inherit:", listen=[f"127.0.0.1:{port}"], also=["--accept"])

    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
        record = serving.wait_for(lambda record: record.get("EventID") == 4007)

    assert record["Data"] == ["10022"]
    assert "Accept=no" in record["bindpost"]["hint"]


@pytest.fixture
def without_rights(program: Callable[[str], Path], tmp_path: Path) -> list[str]:
    """Give what runs a command as nobody; as root without the right, where nobody can run it."""
    if os.geteuid() != 0:
        pytest.skip("only root can open port 25 for others")
    setpriv = str(program("setpriv"))
    command = [setpriv, *NOBODY]
    tmp_path.chmod(0o755)  # the current folder of the program
    probe = subprocess.run(
        [*command, sys.executable, "-c", "import bindpost.cli"],
        capture_output=True,
        check=False,
        cwd=tmp_path,
    )
    return command if probe.returncode == 0 else [setpriv, *POWERLESS]


def test_port_25_without_rights(activate: Activate, without_rights: list[str]) -> None:
    """Port 25, opened by root, serves a process that could not have opened it."""
    try:
        socket.create_server(("127.0.0.1", 25)).close()
    except OSError as error:
        pytest.skip(f"port 25 can't be had here: {error}")
    serving = activate("--via", "inherit:", listen=["127.0.0.1:25"], also=without_rights)

    send_mail(25)

    assert serving.wait_ready().smtp == ("127.0.0.1", 25)
    assert len(serving.client.messages()) == 1
    status = Path(f"/proc/{serving.process.pid}/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    assert not int(effective.split()[1], 16) & 1 << 10, "CAP_NET_BIND_SERVICE"
    assert serving.stop() == 0


def test_documented_units(program: Callable[[str], Path], tmp_path: Path) -> None:
    """systemd finds nothing to say about the units in docs/, but that bindpost must be there."""
    for name in ("bindpost.socket", "bindpost.service"):
        unit = (DOCS / name).read_text("utf-8").replace("/usr/local/bin/bindpost", sys.executable)
        (tmp_path / name).write_text(unit)
    done = subprocess.run(
        [program("systemd-analyze"), "verify", "--man=no", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_units_rights_are_few(program: Callable[[str], Path], tmp_path: Path) -> None:
    """systemd's own figure for the service's exposure is what docs/systemd.md says."""
    unit = (DOCS / "bindpost.service").read_text("utf-8")
    service = tmp_path / "bindpost.service"
    service.write_text(unit.replace("/usr/local/bin/bindpost", sys.executable))
    command = [str(program("systemd-analyze")), "security", "--offline=true", "--no-pager"]

    done = subprocess.run(
        [*command, "--threshold=12", str(service)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout
    assert "gives it 1.2 (10 is worst)" in (DOCS / "systemd.md").read_text("utf-8")
