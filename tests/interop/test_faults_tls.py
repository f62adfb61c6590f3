"""Careful clients judge wrong certificates, with the first byte (port 465) and by STARTTLS."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from bindpost.testing.chosen import chosen_settings
from bindpost.testing.inprocess import in_process
from bindpost.testing.mailserver import MailServer

Program = Callable[[str], Path]
Judge = Callable[[Program, MailServer, str, Path], str]
"""Connects a client that verifies, and gives what it complains of; empty if it is content."""
PATIENCE: Final = 20.0
EXPIRED: Final = "certificate has expired"
NO_ISSUER: Final = "unable to get local issuer certificate"


def run(*command: object, stdin: bytes = b"") -> str:
    """Run a client; gives all that it says if it fails, and nothing if it is content."""
    done = subprocess.run(
        [str(word) for word in command], input=stdin, capture_output=True, timeout=PATIENCE
    )
    return (done.stdout + done.stderr).decode() or "failed" if done.returncode else ""


def openssl(program: Program, server: MailServer, mode: str, authority: Path) -> str:
    """Ask `openssl s_client`."""
    starttls = ("-starttls", "smtp") if mode == "starttls" else ()
    return run(
        *(program("openssl"), "s_client", "-connect", f"{server.host}:{server.port}", *starttls),
        *("-CAfile", authority, "-verify_hostname", "localhost", "-verify_return_error", "-quiet"),
        stdin=b"QUIT\r\n",
    )


def swaks(program: Program, server: MailServer, mode: str, authority: Path) -> str:
    """Let swaks send a message."""
    return run(
        *(program("swaks"), "--server", f"{server.host}:{server.port}"),
        *("--from", "a@b.test", "--to", "c@d.test", "--tls-verify", "--tls-ca-path", authority),
        "-tls" if mode == "starttls" else "--tls-on-connect",
    )


def curl(program: Program, server: MailServer, mode: str, authority: Path) -> str:
    """Let curl send a message."""
    scheme = "smtp" if mode == "starttls" else "smtps"
    return run(
        *(program("curl"), "--silent", "--show-error", "--ssl-reqd", "--cacert", authority),
        *(f"{scheme}://localhost:{server.port}", "--ipv4", "--upload-file", "-"),
        *("--mail-from", "a@b.test", "--mail-rcpt", "c@d.test"),
        stdin=b"Subject: x\r\n\r\nbody\r\n",
    )


def python(_: Program, server: MailServer, mode: str, authority: Path) -> str:
    """Shake hands by smtplib."""
    context = ssl.create_default_context(cafile=authority)
    try:
        if mode == "implicit":
            with smtplib.SMTP_SSL("localhost", server.port, context=context, timeout=PATIENCE):
                return ""
        with smtplib.SMTP("localhost", server.port, timeout=PATIENCE) as client:
            client.starttls(context=context)
            return ""
    except ssl.SSLCertVerificationError as error:
        return str(error)


JUDGES: Final[Mapping[str, tuple[Judge, Mapping[str, str]]]] = {
    "openssl": (
        openssl,
        {"tls-expired": EXPIRED, "tls-wrong-name": "ostname mismatch", "tls-untrusted": NO_ISSUER},
    ),
    "swaks": (swaks, {"tls-expired": "verify failed", "tls-untrusted": "verify failed"}),
    "curl": (
        curl,
        {
            "tls-expired": EXPIRED,
            "tls-wrong-name": "no alternative certificate subject name matches",
            "tls-untrusted": NO_ISSUER,
        },
    ),
    "python": (
        python,
        {"tls-expired": EXPIRED, "tls-wrong-name": "is not valid", "tls-untrusted": NO_ISSUER},
    ),
}


@pytest.fixture(params=["implicit", "starttls"])
def mode(request: pytest.FixtureRequest) -> Literal["implicit", "starttls"]:
    """Give each kind of TLS."""
    chosen: Literal["implicit", "starttls"] = request.param
    return chosen


@pytest.fixture(params=["fast", pytest.param("stock", marks=pytest.mark.long)])
def server(request: pytest.FixtureRequest, mode: Any, tmp_path: Path) -> Iterator[MailServer]:
    """Give a server with TLS of that kind, on each engine."""
    settings = chosen_settings(tls=mode, settings={"engine": request.param})
    with in_process(settings, folder=tmp_path) as server:
        yield server


@pytest.mark.parametrize("name", JUDGES)
def test_a_careful_client_refuses_a_wrong_certificate(
    server: MailServer, mode: str, name: str, program: Program, tmp_path: Path
) -> None:
    """By one rule for both kinds of TLS; it says what is wrong, and sends no mail."""
    judge, complaints = JUDGES[name]
    authority = tmp_path / "authority.pem"
    authority.write_bytes(server.faults.authority)
    for action, complaint in complaints.items():
        with server.faults.add("TLS", action) as wrong:  # type: ignore[arg-type]  # a name of one
            assert complaint in judge(program, server, mode, authority), action
            assert wrong.fired == 1

    assert server.messages == []


@pytest.mark.parametrize("name", JUDGES)
def test_a_client_that_trusts_the_certificate_is_content(
    server: MailServer, mode: str, name: str, program: Program, tmp_path: Path
) -> None:
    """What it minds is the certificate: with one that it trusts, a late handshake is none."""
    judge, _ = JUDGES[name]
    authority = tmp_path / "authority.pem"
    host = (server.host, server.port)
    authority.write_bytes(certificate_of(host, mode))
    with server.faults.add("TLS", "delay", seconds=0.2) as late:
        assert judge(program, server, mode, authority) == ""
        assert late.fired == 1


def certificate_of(address: tuple[str, int], mode: str) -> bytes:
    """Give the server's own certificate, which is signed by itself, as PEM."""
    anything = ssl.create_default_context()
    anything.check_hostname, anything.verify_mode = False, ssl.CERT_NONE
    if mode == "implicit":
        client: smtplib.SMTP = smtplib.SMTP_SSL(*address, context=anything, timeout=PATIENCE)
    else:
        client = smtplib.SMTP(*address, timeout=PATIENCE)
        client.starttls(context=anything)
    with client:
        assert isinstance(client.sock, ssl.SSLSocket)
        der = client.sock.getpeercert(binary_form=True)
    assert der is not None
    return ssl.DER_cert_to_PEM_cert(der).encode()
