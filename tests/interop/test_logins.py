"""Real mail clients log in by each mechanism that they have, and with certificates."""

from __future__ import annotations

import os
import smtplib
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from bindpost.objects import Session
from bindpost.testing import Serve, Serving

from ..authority import Authority, name_of

Program = Callable[[str], Path]
Command = Callable[[str], Sequence[object]]
"""Gives a client's command line for a password."""
USER = "ann@example.org"
PASSWORD = "Zauberlehrling-1797"
MAIL = b"Subject: login\n\nhello\n"
NODE_MODULES = "/usr/share/nodejs"
"""Where Debian keeps node's packages."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give the authority whose certificates the server takes."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def serving(serve: Serve, tmp_path: Path, authority: Authority) -> Serving:
    """Serve `plain` with TLS, one user, and an authority of clients."""
    (tmp_path / "users").write_text(f"{USER}:{PASSWORD}\n")
    settings = tmp_path / "bindpost.toml"
    settings.write_text(
        'personality = "plain"\n'
        '[auth]\nusers = "users"\n'
        f'[tls]\ncertificate = "self-signed"\nclient_ca = "{authority.file}"\n'
    )
    return serve("--config", str(settings)).wait_ready()


def _run(*command: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(word) for word in command],
        input=MAIL,
        capture_output=True,
        timeout=60,
        check=False,
        env=os.environ | (env or {}),
    )


def _session(serving: Serving) -> Session:
    """Give the session of the newest message."""
    row, *_ = serving.client.messages()
    return serving.client.message(row.id).session


def _was_refused(serving: Serving, mechanism: str) -> None:
    """See the event of a login that was refused."""

    def matches(record: dict[str, Any]) -> bool:
        told = record.get("bindpost", {})
        return record.get("EventID") == 4183 and told.get("mechanism") == mechanism

    assert serving.wait_for(matches)["bindpost"]["user"] == USER


def _is_checked(
    serving: Serving, mechanism: str, command: Command, env: dict[str, str] | None = None
) -> None:
    """Let a client send with a wrong password, of which it complains, and with the right one."""
    before = len(serving.client.messages())
    assert _run(*command("wrong"), env=env).returncode != 0
    _was_refused(serving, mechanism)
    assert len(serving.client.messages()) == before

    done = _run(*command(PASSWORD), env=env)

    assert done.returncode == 0, (mechanism, done.stdout, done.stderr)
    assert len(serving.client.messages()) == before + 1
    assert _session(serving).login == USER


def _ending(*words: object, before: str = "") -> Command:
    """Give command lines that end with the password."""
    return lambda password: (*words, f"{before}{password}")


def test_swaks(serving: Serving, program: Program) -> None:
    """swaks has the three old ones."""
    host, port = serving.smtp
    swaks = (program("swaks"), "--server", host, "--port", port, "--from", "a@b.test")
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
        login = ("--to", "c@d.test", "--auth", mechanism, "--auth-user", USER, "--auth-password")
        _is_checked(serving, mechanism, _ending(*swaks, *login))


def _curl(program: Program, serving: Serving) -> Sequence[object]:
    host, port = serving.smtp
    return (
        *(program("curl"), "--silent", "--show-error", "--insecure", "--ssl-reqd"),
        *(f"smtp://{host}:{port}/c", "--mail-from", "a@b.test", "--mail-rcpt", "c@d.test"),
        *("--upload-file", "-"),
    )


def test_curl(serving: Serving, program: Program) -> None:
    """curl logs in by password, and by token: by OAUTHBEARER wherever that is offered."""
    curl = _curl(program, serving)
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
        login = ("--login-options", f"AUTH={mechanism}", "--user")
        _is_checked(serving, mechanism, _ending(*curl, *login, before=f"{USER}:"))
    bearer = _ending(*curl, "--user", USER, "--oauth2-bearer")
    _is_checked(serving, "OAUTHBEARER", bearer)


def _msmtp(program: Program, serving: Serving, *options: object) -> Sequence[object]:
    host, port = serving.smtp
    return (
        *(program("msmtp"), "--file=/dev/null", f"--host={host}", f"--port={port}"),
        *("--tls=on", "--tls-starttls=on", "--tls-certcheck=off", "--from=a@b.test", *options),
    )


def test_msmtp(serving: Serving, program: Program) -> None:
    """msmtp, by GNU SASL, lets the server prove that it knows the password, too."""
    for mechanism in ("SCRAM-SHA-256", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"):
        login = (f"--auth={mechanism.lower()}", f"--user={USER}", "c@d.test")
        msmtp = _msmtp(program, serving, *login)
        _is_checked(serving, mechanism, _ending(*msmtp, before="--passwordeval=echo "))


def test_nodemailer(serving: Serving, program: Program) -> None:
    """nodemailer bears a token, as XOAUTH2 has it."""
    node = program("node")
    if not Path(NODE_MODULES, "nodemailer").is_dir():
        pytest.skip("nodemailer (node-nodemailer) is not installed")
    host, port = serving.smtp
    script = f"""
      const nodemailer = require("nodemailer");
      nodemailer.createTransport({{
        host: "{host}", port: {port}, tls: {{rejectUnauthorized: false}},
        auth: {{type: "OAuth2", user: "{USER}", accessToken: process.argv[1]}},
      }}).sendMail({{from: "a@b.test", to: "c@d.test", text: "hello"}})
        .catch(() => process.exit(1));
    """
    env = {"NODE_PATH": NODE_MODULES}
    _is_checked(serving, "XOAUTH2", lambda token: (node, "-e", script, token), env)


def test_smtplib(serving: Serving) -> None:
    """Python's client takes CRAM-MD5 where it is offered."""
    with smtplib.SMTP(*serving.smtp) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login(USER, "wrong")
        _was_refused(serving, "CRAM-MD5")
        assert smtp.login(USER, PASSWORD)[0] == 235
        smtp.sendmail("a@b.test", ["c@d.test"], MAIL)
    assert _session(serving).login == USER


def test_external(serving: Serving, program: Program, authority: Authority) -> None:
    """msmtp and curl log in by a certificate; its facts are with the mail."""
    subject = name_of((NameOID.COMMON_NAME, "Ann"))
    file = authority.issue(subject, [x509.RFC822Name(USER)])
    files = (f"--tls-cert-file={file}", f"--tls-key-file={file}")
    external = ("--login-options", "AUTH=EXTERNAL", "--user", f"{USER}:", "--cert", file)
    commands = (
        _msmtp(program, serving, "--auth=external", f"--user={USER}", *files, "c@d.test"),
        (*_curl(program, serving), *external),
    )
    for count, command in enumerate(commands, start=1):
        done = _run(*command)

        assert done.returncode == 0, (done.stdout, done.stderr)
        assert len(serving.client.messages()) == count
        session = _session(serving)
        assert session.login == USER
        assert session.client_certificate is not None
        assert session.client_certificate.subject == "CN=Ann"
        assert session.client_certificate.name == USER
