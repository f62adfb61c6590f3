"""Started by root, `user` set: root is gone, the port below 1024 is there, and all else works."""

from __future__ import annotations

import json
import os
import pwd
import signal
import smtplib
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bindpost import events
from bindpost.testing import PATIENCE, Serving

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give root up"
)
MAIL = b"From: a@example.org\r\nSubject: unprivileged\r\n\r\nhello\r\n"
NET_BIND_SERVICE = 1 << 10
REPOSITORY = Path(__file__).parents[2]
PROBE = "import msgspec, structlog, bindpost.cli"


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Give an environment in which any interpreter of this version finds bindpost."""
    found = [path for path in sys.path if path.endswith("site-packages")]
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), *found])}


@pytest.fixture(scope="module")
def python(environment: dict[str, str]) -> str:
    """Give an interpreter that nobody can run: ours, or the system's."""
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/{minor}"):
        try:
            subprocess.run(
                [candidate, "-c", PROBE],
                check=True,
                capture_output=True,
                cwd="/",
                env=environment,
                user="nobody",
                extra_groups=[],
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    pytest.skip(f"nobody can run neither {sys.executable} nor /usr/bin/{minor} with bindpost")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder of root's that everybody can look into, as /var/lib is; pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="bindpost-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


Start = Callable[..., Serving]


@pytest.fixture
def start(python: str, environment: dict[str, str], folder: Path) -> Iterator[Start]:
    """Start `bindpost serve` with an interpreter that nobody can run."""
    started: list[Serving] = []

    def start_one(*arguments: str) -> Serving:
        serving = Serving(
            ["--web", "127.0.0.1:0", *arguments], folder=folder, env=environment, python=python
        )
        started.append(serving)
        return serving

    yield start_one
    for serving in started:
        serving.cleanup()


def _free_low_port() -> int:
    """Give a port below 1024 that is free."""
    for port in range(1023, 600, -1):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    pytest.skip("no port below 1024 is free")


def _status(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: values.split() for name, _, values in (line.partition(":") for line in lines)}


def _wait_for_index(serving: Serving) -> None:
    """Return when the search index has all messages."""
    url = f"{serving.ready['bindpost']['web'].rstrip('/')}/api/bindpost/v1/search-index"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            state = json.load(answer)
        if state["state"] == "current" and state["indexed"]:
            return
    raise AssertionError(state)


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


def test_root_is_given_up(start: Start, folder: Path) -> None:
    """Store, index and port work; neither process, nor any of its threads, has root's rights."""
    nobody = pwd.getpwnam("nobody")
    port, data = _free_low_port(), folder / "mail"
    serving = start(
        *("--user", "nobody", "--listen", f"127.0.0.1:{port}", "--data", str(data))
    ).wait_ready()

    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("a@example.org", ["b@example.org"], MAIL)
    _wait_for_index(serving)
    (found,) = serving.client.messages(subject="unprivileged")
    (indexer,) = _children(serving.process.pid)

    assert serving.client.raw(found.id) == MAIL
    for pid, rights in ((serving.process.pid, NET_BIND_SERVICE), (indexer, 0)):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            status = _status(int(thread.name))
            assert status["Uid"] == [str(nobody.pw_uid)] * 4
            assert status["Gid"] == [str(nobody.pw_gid)] * 4
            assert set(status["Groups"]) <= {str(nobody.pw_gid)}
            for kind in ("CapPrm", "CapEff"):
                assert int(status[kind][0], 16) == rights, kind
            assert status["NoNewPrivs"] == ["1"]
    assert {path.stat().st_uid for path in (data, *data.rglob("*"))} == {nobody.pw_uid}
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert events.ROOT_GIVEN_UP.id in serving.event_ids()
    assert serving.stop() == 0


def test_the_right_to_low_ports_outlives_a_reload(start: Start, folder: Path) -> None:
    """A listener that comes with a reload can have a port below 1024, too."""
    settings = folder / "bindpost.toml"
    settings.write_text(
        'user = "nobody"\ndata = ":memory:"\n[[listener]]\nendpoint = "127.0.0.1:0"\n'
    )
    serving = start().wait_ready()
    port = _free_low_port()

    with settings.open("a") as file:
        file.write(f'[[listener]]\nendpoint = "127.0.0.1:{port}"\n')
    serving.process.send_signal(signal.SIGHUP)
    serving.wait_for_event(events.RELOADED.id)

    with smtplib.SMTP("127.0.0.1", port) as client:
        assert client.noop()[0] == 250


def _refusal(serving: Serving) -> str:
    """Give the one line with which the command ends for bad settings."""
    assert serving.wait_end() == 78
    return str(serving.records[-1]["not-json"])


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (["--user", "no-such-user"], "user: there is no user 'no-such-user'"),
        (["--user", "root"], "user: root is root itself"),
    ],
    ids=["unknown", "root"],
)
def test_a_user_that_cannot_be_taken(start: Start, arguments: list[str], refusal: str) -> None:
    """The error names it and ends with 78; nothing was opened."""
    assert refusal in _refusal(start(*arguments))


def test_data_of_roots(start: Start, folder: Path) -> None:
    """What an earlier run by root has left is named, with the command that hands it over."""
    data = folder / "mail"
    assert start("--data", str(data), "--listen", "127.0.0.1:0").wait_ready().stop() == 0

    refusal = _refusal(start("--user", "nobody", "--data", str(data)))

    assert f"data: nobody may not read and write {data}" in refusal
    assert f"chown -R nobody: {data}" in refusal


def test_a_data_folder_out_of_reach(start: Start, folder: Path) -> None:
    """Where nobody may make one, the error says so."""
    closed = folder / "closed"
    closed.mkdir(0o700)

    refusal = _refusal(start("--user", "nobody", "--data", str(closed / "below" / "mail")))

    assert "data: nobody cannot have the data folder" in refusal
    assert "Permission denied" in refusal


def test_root_can_be_refused(start: Start, folder: Path) -> None:
    """With refuse_root nobody runs it as root by mistake."""
    (folder / "bindpost.toml").write_text("refuse_root = true\n")

    assert "refuse_root: the service is started as root" in _refusal(start())


def test_a_certificate_of_roots(start: Start, folder: Path) -> None:
    """A key that only root can read is named; it isn't read before root is given up."""
    closed = folder / "tls"
    closed.mkdir(0o700)
    (closed / "cert.pem").write_text("x")

    refusal = _refusal(
        start("--user", "nobody", "--data", ":memory:", "--tls-certificate", "tls/cert.pem")
    )

    assert "tls.certificate: cannot see" in refusal


def test_only_root_can_become_another(
    python: str, environment: dict[str, str], folder: Path
) -> None:
    """Who isn't root is told so; who is that user already needs nothing."""
    other, same = (
        subprocess.run(
            [
                *(python, "-m", "bindpost", "serve", "--user", user, "--data", ":memory:"),
                *("--listen", "127.0.0.1:0", "--via", "inherit:", "--web", "off"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env=environment,
            user="nobody",
            extra_groups=[],
        )
        for user in ("daemon", "nobody")
    )

    assert other.returncode == 78
    assert "user: only root can become daemon" in other.stderr
    assert same.returncode == 69  # nothing was inherited; so far it came
