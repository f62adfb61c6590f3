"""`bindpost serve --via ssh://...` with OpenSSH's own server, as users run it."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import smtplib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bindpost.events import PATH_RECOVERED
from bindpost.proxy.ssh.openssh import OpenSshServer
from bindpost.testing import PATIENCE, Serve


@pytest.fixture
async def sshd(
    program: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OpenSshServer]:
    """An sshd that a test starts as it wants, and a home with the keys for it."""
    home = tmp_path / ".ssh"
    home.mkdir()
    server = OpenSshServer(program("sshd"), program("ssh-keygen"), home)
    (home / "client").rename(home / "id_ed25519")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    yield server
    await server.stop()


def ended(pid: int) -> bool:
    """Tell whether a process has ended, or does so: sshd's own need a moment. Blocks."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    end = select.poll()
    end.register(process, select.POLLIN)
    try:
        return bool(end.poll(PATIENCE * 1000))
    finally:
        os.close(process)


def send(host: str, port: int, subject: str) -> None:
    """Send a mail. Blocks."""
    with smtplib.SMTP(host, port, local_hostname="client.example") as client:
        client.sendmail("a@example.com", ["b@example.com"], f"Subject: {subject}\n\nHello\n")


async def test_a_mail_from_the_other_side(sshd: OpenSshServer, serve: Serve) -> None:
    """A mail that comes in through sshd is kept, also after the login was killed."""
    await sshd.start("AllowTcpForwarding remote")
    serving = serve("--via", sshd.settings().url)
    await asyncio.to_thread(serving.wait_ready)
    await asyncio.to_thread(send, *serving.smtp, "before")
    sshd.signal_sessions(signal.SIGKILL)
    await asyncio.to_thread(
        serving.wait_for, lambda record: record.get("EventID") == PATH_RECOVERED.id
    )
    await asyncio.to_thread(send, *serving.smtp, "after")

    messages = await asyncio.to_thread(serving.client.messages)
    assert {message.fields.subject for message in messages} == {"before", "after"}
    assert 4007 in serving.event_ids()
    assert await asyncio.to_thread(serving.stop) == 0
    assert await asyncio.to_thread(lambda: all(map(ended, sshd.sessions())))


async def test_the_event_of_a_path_that_is_wrong(sshd: OpenSshServer, serve: Serve) -> None:
    """sshd that forwards nothing: 4007 with 10050, the hop, what to do, and exit 69."""
    await sshd.start("AllowTcpForwarding no")
    serving = serve("--via", sshd.settings().url)

    assert await asyncio.to_thread(serving.wait_end) == 69
    record = next(record for record in serving.records if record.get("EventID") == 4007)
    assert record["Data"] == ["10050"]
    assert record["bindpost"]["hop"] == "request"
    assert "AllowTcpForwarding" in record["bindpost"]["hint"]
    assert await asyncio.to_thread(lambda: all(map(ended, sshd.sessions())))
