"""A real exim sends by BDAT, and what is kept is what it was given."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bindpost.testing.chosen import chosen_settings
from bindpost.testing.inprocess import in_process
from bindpost.testing.mailserver import MailServer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="exim delivers for root only")

CONFIG = """
exim_path = {exim}
spool_directory = {folder}/spool
log_file_path = {folder}/spool/%slog
primary_hostname = mta.test
received_header_text =
keep_environment =
never_users =
deliver_drop_privilege = true
begin routers
ours:
  driver = manualroute
  route_list = * {host}
  self = send
  transport = ours
begin transports
ours:
  driver = smtp
  port = {port}
  allow_localhost
  message_linelength_limit = 10000
  hosts_try_chunking = {chunking}
begin retry
"""
ID = 65533
USER = f"Debian-exim:x:{ID}:{ID}::/nonexistent:/usr/sbin/nologin\n"
GROUP = f"Debian-exim:x:{ID}:\n"
"""Exim doesn't start without the user that Debian's package makes."""
OWN_USERS = (
    'mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group && exec "$@"'
)
HEADER = (
    b"From: a@origin.test\nTo: b@target.test\nSubject: chunks\nMessage-ID: <1@origin.test>\n"
    b"Date: Fri, 27 Nov 2026 03:27:08 +0000\n\n"
)
BODIES = {
    "dots": b".\n..\n.x\nQUIT\n\n.\n",
    "8-bit": "Grüße\n".encode() + bytes(range(128, 256)) + b"\n",
    "long-line": b"x" * 5000 + b"\n.\n",
    "large": (b"y" * 997 + b"\n") * 700 + b".\n",
    "empty": b"",
}

Send = Callable[[bytes, str], None]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    """Give the server that exim delivers to."""
    with in_process(chosen_settings(), folder=tmp_path) as server:
        yield server


@pytest.fixture
def send(server: MailServer, program: Callable[[str], Path], tmp_path: Path) -> Send:
    """Give what has exim deliver a message, by BDAT to these hosts; it ends when it has."""
    exim, unshare = program("exim4"), program("unshare")
    for name, entry in (("passwd", USER), ("group", GROUP)):
        known = Path("/etc", name).read_text("utf-8").splitlines(keepends=True)
        others = [line for line in known if not line.startswith("Debian-exim:")]
        (tmp_path / name).write_text("".join([*others, entry]), "utf-8")
    (tmp_path / "spool").mkdir()
    os.chown(tmp_path / "spool", ID, ID)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)  # it delivers as another user

    def deliver(message: bytes, chunking: str) -> None:
        places = {"exim": exim, "folder": tmp_path, "host": server.host, "port": server.port}
        config = tmp_path / "exim.conf"
        config.write_text(CONFIG.format(chunking=chunking, **places), "ascii")
        own_users = [str(unshare), "--mount", "sh", "-c", OWN_USERS, str(tmp_path)]
        exim_now = [str(exim), "-C", str(config), "-odi", "-i", "-f", "a@origin.test"]
        command = [*own_users, *exim_now, "b@target.test"]
        done = subprocess.run(command, input=message, capture_output=True, timeout=50, check=False)
        assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()

    return deliver


@pytest.mark.parametrize("name", BODIES)
def test_exim_sends_by_bdat(server: MailServer, send: Send, name: str) -> None:
    """Header and body come in chunks, and are kept byte for byte."""
    message = HEADER + BODIES[name]

    send(message, "*")

    (kept,) = server.messages
    assert kept.raw == message.replace(b"\n", b"\r\n")
    said = [line.text for line in kept.transcript if line.speaker == "C"]
    chunks = [line for line in said if line.startswith("BDAT ")]
    assert chunks[-1].endswith(" LAST")
    assert len(chunks) > 1 or name != "large"
    assert "DATA" not in said


def test_exim_sends_the_same_by_data(server: MailServer, send: Send) -> None:
    """Without BDAT it is the same message."""
    message = HEADER + BODIES["dots"]

    send(message, "!*")

    (kept,) = server.messages
    assert kept.raw == message.replace(b"\n", b"\r\n")
    assert "DATA" in [line.text for line in kept.transcript]
