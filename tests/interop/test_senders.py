"""What people send mail with: each delivers, and the message is read back byte for byte."""

import email.message
import os
import re
import smtplib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bindpost.client import Client
from bindpost.testing import Serve

BODY = "Grüße, dots:\n.\n..\n.end\n" + "x" * 900 + "\n"
HEADERS = "From: <from@example.test>\nTo: <to@example.test>\nSubject: interop\n"
UTF8_HEADERS = (
    "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n"
)
MAIL = (HEADERS + UTF8_HEADERS + "\n" + BODY).replace("\n", "\r\n").encode()

NODE_MODULES = "/usr/share/nodejs"
"""Where Debian keeps node's packages; a node from elsewhere doesn't look there."""
SMTP_SOURCE_MAIL = (
    rb"From: <from@example\.test>\r\nTo: <to@example\.test>\r\nDate: [^\r\n]+\r\n"
    rb"Message-Id: <[^\r\n]+>\r\n\r\n(?:[0-9]*X+\r\n)+"
)

Program = Callable[[str], Path]


def run(*command: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None) -> str:
    """Run a sender, and give what it said; its failure is the test's."""
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        env=os.environ | (env or {}),
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def only_message(client: Client) -> bytes:
    """Give the bytes of the one message that is kept."""
    (row,) = client.messages()
    return client.raw(row.id)


def test_smtplib(serve: Serve) -> None:
    """Python's smtplib delivers."""
    serving = serve().wait_ready()

    with smtplib.SMTP(*serving.smtp) as smtp:
        smtp.sendmail("from@example.test", ["to@example.test"], MAIL)

    assert only_message(serving.client) == MAIL


def test_smtplib_with_tls_and_login(serve: Serve) -> None:
    """smtplib delivers after STARTTLS and a login, and both are kept with the message."""
    serving = serve("--tls-certificate", "self-signed", "--personality", "plain").wait_ready()

    with smtplib.SMTP(*serving.smtp) as smtp:
        smtp.starttls()
        smtp.login("user", "secret")
        smtp.sendmail("from@example.test", ["to@example.test"], MAIL)

    (row,) = serving.client.messages()
    session = serving.client.message(row.id).session
    assert session.login == "user"
    assert session.tls_version == "TLSv1.3"
    assert serving.client.raw(row.id) == MAIL


def test_smtplib_message_object(serve: Serve) -> None:
    """A message object of Python's is delivered to every recipient of its envelope."""
    serving = serve().wait_ready()
    message = email.message.EmailMessage()
    message["Subject"], message["From"], message["To"] = "hello", "a@example.test", "b@example.test"
    message["Bcc"] = "c@example.test"
    message.set_content("hello")

    with smtplib.SMTP(*serving.smtp) as smtp:
        smtp.send_message(message)

    (row,) = serving.client.messages()
    recipients = serving.client.message(row.id).envelope.recipients
    assert [recipient.address for recipient in recipients] == ["b@example.test", "c@example.test"]


def test_swaks(serve: Serve, program: Program, tmp_path: Path) -> None:
    """swaks delivers."""
    swaks = program("swaks")
    serving = serve().wait_ready()
    host, port = serving.smtp
    file = tmp_path / "mail.eml"
    file.write_bytes(MAIL.replace(b"\r\n", b"\n").removesuffix(b"\n"))  # swaks adds it

    run(
        swaks,
        "--server",
        f"{host}:{port}",
        "--from",
        "from@example.test",
        "--to",
        "to@example.test",
        "--data",
        f"@{file}",
    )

    assert only_message(serving.client) == MAIL


def test_swaks_with_login_and_tls(serve: Serve, program: Program) -> None:
    """swaks logs in by AUTH LOGIN inside STARTTLS, as IMS offers both."""
    swaks = program("swaks")
    serving = serve("--tls-certificate", "self-signed").wait_ready()
    host, port = serving.smtp

    run(
        swaks,
        "--server",
        host,
        "--port",
        str(port),
        "--from",
        "a@b.test",
        "--to",
        "c@d.test",
        "-tls",
        "--auth",
        "LOGIN",
        "--auth-user",
        "user",
        "--auth-password",
        "secret",
    )

    (row,) = serving.client.messages()
    assert serving.client.message(row.id).session.login == "user"


def test_swaks_asks_for_extensions(serve: Serve, program: Program) -> None:
    """Inside TLS swaks is offered REQUIRETLS; what it asks for is in the envelope, and told."""
    swaks = program("swaks")
    serving = serve("--tls-certificate", "self-signed", "--personality", "plain").wait_ready()
    host, port = serving.smtp
    # swaks puts an address into brackets: what follows `>` are parameters.
    sender = "a@b.test> REQUIRETLS MT-PRIORITY=4 RET=HDRS ENVID=<1"
    to = "c@d.test> NOTIFY=SUCCESS ORCPT=rfc822;<c+2Bx@d.test"

    said = run(swaks, "--server", host, "--port", str(port), "-tls", "--from", sender, "--to", to)

    assert "250-REQUIRETLS" in said
    assert said.count("250-LIMITS RCPTMAX=32766") == 2
    told, message = serving.client.wait(sender=""), serving.client.wait(sender="a@b.test")
    assert told is not None
    assert message is not None
    assert dict(message.envelope.parameters) == {
        "REQUIRETLS": None,
        "MT-PRIORITY": "4",
        "RET": "HDRS",
        "ENVID": "<1>",
    }
    assert b"Original-Recipient: rfc822;<c+x@d.test>\r\n" in serving.client.raw(told.id)


def test_msmtp(serve: Serve, program: Program) -> None:
    """msmtp delivers."""
    msmtp = program("msmtp")
    serving = serve().wait_ready()
    host, port = serving.smtp

    run(
        msmtp,
        "--file=/dev/null",
        f"--host={host}",
        f"--port={port}",
        "--from=from@example.test",
        "--add-missing-from-header=off",
        "--add-missing-date-header=off",
        "--set-msgid-header=off",
        "to@example.test",
        stdin=MAIL.replace(b"\r\n", b"\n"),
    )

    kept = only_message(serving.client)
    assert kept == MAIL


def test_curl(serve: Serve, program: Program, tmp_path: Path) -> None:
    """curl delivers by smtp://."""
    curl = program("curl")
    serving = serve().wait_ready()
    host, port = serving.smtp
    file = tmp_path / "mail.eml"
    file.write_bytes(MAIL)

    run(
        curl,
        "--silent",
        "--show-error",
        f"smtp://{host}:{port}/client.test",
        "--mail-from",
        "from@example.test",
        "--mail-rcpt",
        "to@example.test",
        "--upload-file",
        str(file),
    )

    assert only_message(serving.client) == MAIL


def test_nodemailer(serve: Serve, program: Program) -> None:
    """nodemailer delivers."""
    node = program("node")
    if not Path(NODE_MODULES, "nodemailer").is_dir():
        pytest.skip("nodemailer (node-nodemailer) is not installed")
    serving = serve().wait_ready()
    host, port = serving.smtp
    script = f"""
      const nodemailer = require("nodemailer");
      nodemailer.createTransport({{host: "{host}", port: {port}}}).sendMail({{
        envelope: {{from: "from@example.test", to: ["to@example.test"]}}, raw: process.argv[1],
      }}).then((info) => {{ if (info.accepted.length !== 1) process.exit(1); }});
    """
    run(node, "-e", script, MAIL.decode(), env={"NODE_PATH": NODE_MODULES})

    assert only_message(serving.client) == MAIL


def test_smtp_source(serve: Serve, program: Program) -> None:
    """Postfix's smtp-source delivers 1,000 messages over 10 sessions; each is kept once, whole."""
    source = program("smtp-source")
    serving = serve().wait_ready()
    host, port = serving.smtp

    run(
        source,
        "-m",
        "1000",
        "-s",
        "10",
        "-l",
        "2000",
        "-f",
        "from@example.test",
        "-t",
        "to@example.test",
        f"inet:{host}:{port}",
    )

    client = serving.client
    rows = client.messages(limit=0)
    assert len(rows) == 1000
    assert len({row.id for row in rows}) == 1000
    for row in rows:
        assert re.fullmatch(SMTP_SOURCE_MAIL, client.raw(row.id))


def test_nmap_names_exchange(serve: Serve, program: Program) -> None:
    """nmap's service detection takes the listener for Microsoft Exchange smtpd 5.5."""
    nmap = program("nmap")
    serving = serve().wait_ready()
    host, port = serving.smtp

    done = subprocess.run(
        [nmap, "-sV", "-Pn", "-n", "--unprivileged", "-p", str(port), host],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{port}/tcp")]
    assert "Microsoft Exchange smtpd 5.5.2653.13" in line
