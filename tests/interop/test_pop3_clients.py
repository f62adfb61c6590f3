"""Real POP3 clients read the inbox of a `bindpost serve`: fetchmail, mpop, curl, poplib."""

from __future__ import annotations

import json
import mailbox
import os
import poplib
import smtplib
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bindpost.testing import Serve, Serving
from bindpost.testing.serving import PATIENCE

MESSAGES = [
    b"From: a@example.com\r\nSubject: one\r\n\r\n.dot\r\n..\r\nFrom here\r\n",
    b"From: a@example.com\r\nSubject: two\r\n\r\nna\xc3\xafve\r\n",
]


def start(serve: Serve, tmp_path: Path, **table: str) -> tuple[Serving, str, int]:
    """Serve POP3 with a certificate made on the spot; give the server, and where POP3 is."""
    lines = [f'{key} = "{value}"' for key, value in {"endpoint": "127.0.0.1:0", **table}.items()]
    settings = tmp_path / "bindpost.toml"
    settings.write_text("\n".join(["[tls]", 'certificate = "self-signed"', "[pop3]", *lines]))
    ready = tmp_path / "ready.json"
    serving = serve("--config", str(settings), "--ready-file", str(ready)).wait_ready()
    host, _, port = json.loads(ready.read_text())["pop3"][0].rpartition(":")
    assert serving.wait_for_event(170)["bindpost"]["addresses"] == [f"{host}:{port}"]
    for raw in MESSAGES:
        with smtplib.SMTP(*serving.smtp) as smtp:
            smtp.sendmail("a@example.com", ["bob@example.com"], raw)
    return serving, host, int(port)


def run(*command: object, folder: Path) -> bytes:
    """Run a client that must succeed, its home being a folder of the test's; give its output."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        cwd=folder,
        env=os.environ | {"HOME": str(folder), "FETCHMAILHOME": str(folder)},
    )
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.stdout


def bodies(folder: Path) -> list[bytes]:
    """Give subjects and bodies of the messages in a Maildir or mbox file, in order."""
    box = mailbox.mbox(folder) if folder.is_file() else mailbox.Maildir(folder)
    found = [message.as_bytes() for message in box]
    box.close()
    return sorted(raw.partition(b"Subject: ")[2].replace(b"\r\n", b"\n") for raw in found)


EXPECTED = [raw.partition(b"Subject: ")[2].replace(b"\r\n", b"\n") for raw in MESSAGES]


@pytest.mark.parametrize("tls", [False, True])
def test_fetchmail_fetches_and_deletes(
    serve: Serve, program: Callable[[str], Path], tmp_path: Path, *, tls: bool
) -> None:
    """It gets both messages, in clear and inside STLS, and deletes them at QUIT."""
    serving, host, port = start(serve, tmp_path)
    taken = tmp_path / "taken"
    rc = tmp_path / "fetchmailrc"
    security = "sslproto tls1.2+ no sslcertck" if tls else 'sslproto ""'
    rc.write_text(
        f"poll {host} protocol POP3 port {port} user bob@example.com password any"
        f" {security}"
        f' mda "cat >> {taken}"\n'
    )
    rc.chmod(0o600)

    run(program("fetchmail"), "-f", rc, "--nodetach", folder=tmp_path)

    text = taken.read_bytes().replace(b"\r\n", b"\n")
    assert all(expected in text for expected in EXPECTED)
    assert serving.client.messages() == []


def test_mpop_fetches_by_uidl(serve: Serve, program: Callable[[str], Path], tmp_path: Path) -> None:
    """It keeps the mail on the server and knows by UIDL what it has had already."""
    serving, host, port = start(serve, tmp_path)
    box = tmp_path / "box"
    for name in ("cur", "new", "tmp"):
        (box / name).mkdir(parents=True)
    command = [
        program("mpop"), f"--host={host}", f"--port={port}", "--user=@example.com",
        "--passwordeval=echo any", "--auth=user", "--tls=on", "--tls-starttls=on",
        "--tls-certcheck=off", "--keep=on", f"--delivery=maildir,{box}",
        f"--uidls-file={tmp_path / 'uidls'}", "--only-new=on",
    ]  # fmt: skip

    run(*command, folder=tmp_path)
    assert bodies(box) == EXPECTED
    run(*command, folder=tmp_path)

    assert bodies(box) == EXPECTED
    assert len(serving.client.messages()) == 2


@pytest.mark.parametrize(("scheme", "mode"), [("pop3", "auto"), ("pop3s", "implicit")])
def test_curl_retrieves(
    serve: Serve, program: Callable[[str], Path], tmp_path: Path, scheme: str, mode: str
) -> None:
    """curl pop3://.../1 gives the bytes as they came, with STLS and with TLS from the start."""
    _, host, port = start(serve, tmp_path, tls=mode)
    curl = [program("curl"), "-sS", "--ssl-reqd", "-k", "--user", "*:any"]

    retrieved = run(*curl, f"{scheme}://{host}:{port}/1", folder=tmp_path)

    assert retrieved == MESSAGES[0]
    assert run(*curl, f"{scheme}://{host}:{port}/", folder=tmp_path).splitlines()[0][:2] == b"1 "


def test_poplib_over_tls(serve: Serve, tmp_path: Path) -> None:
    """Python's own client: POP3_SSL, UIDL, TOP, DELE."""
    serving, host, port = start(serve, tmp_path, tls="implicit")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    client = poplib.POP3_SSL(host, port, context=context, timeout=PATIENCE)
    client.user("bob@example.com")
    client.pass_("any")
    ids = [line.split()[1].decode() for line in client.uidl()[1]]
    lines = client.top(2, 0)[1]
    client.dele(1)
    client.quit()

    assert lines == [b"From: a@example.com", b"Subject: two", b""]
    assert [message.id for message in serving.client.messages()] == ids[1:]


def test_a_port_that_is_taken_stops_the_start(serve: Serve, tmp_path: Path) -> None:
    """The log names the endpoint and the code; the exit status is 69."""
    serving, host, port = start(serve, tmp_path)
    settings = tmp_path / "second.toml"
    settings.write_text(f'data = ":memory:"\n[pop3]\nendpoint = "{host}:{port}"\n')

    second = serve("--config", str(settings), "--data", ":memory:")

    assert second.wait_end() == 69
    failed = second.wait_for_event(171)
    assert failed["bindpost"]["endpoint"] == f"{host}:{port}"
    assert "(10048)" in failed["message"]
    assert serving.stop() == 0


def test_a_bad_users_file_is_a_bad_setting(serve: Serve, tmp_path: Path) -> None:
    """The message names the key; the exit status is 78."""
    settings = tmp_path / "bad.toml"
    settings.write_text('[pop3]\nendpoint = "127.0.0.1:0"\nusers = "none.txt"\n')

    serving = serve("--config", str(settings))

    assert serving.wait_end() == 78
    assert "pop3.users" in str(serving.records[-1])
