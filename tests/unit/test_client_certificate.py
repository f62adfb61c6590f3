"""Certificates of clients: whom they name, how they are written, and what can't be read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from bindpost.config.model import Tls
from bindpost.errors import ConfigError
from bindpost.server.message.model import ClientCertificate
from bindpost.server.smtp.certificate import certificate_of
from bindpost.server.smtp.tls import make_contexts

from ..authority import Authority, name_of

Show = Callable[[Path | None], ClientCertificate | None]
ANN = name_of((NameOID.COUNTRY_NAME, "DE"), (NameOID.COMMON_NAME, "Ann"))


def _handshake(
    server: ssl.SSLContext, client: ssl.SSLContext
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Let two ends shake hands in memory; gives the client's and the server's."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    client_end = client.wrap_bio(to_client, to_server)
    waiting = [client_end, server_end]
    while waiting:
        end = waiting.pop(0)
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(end)
    return client_end, server_end


def _anonymous() -> ssl.SSLContext:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    return client


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give an authority."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def show(authority: Authority) -> Show:
    """Show a certificate to a server that asks for one; give what it makes of it."""
    tls = Tls(certificate="self-signed", client_ca=str(authority.file))
    server = make_contexts(tls, hostname="mx.test", folder=Path())["optional"]

    def shake_hands(file: Path | None) -> ClientCertificate | None:
        client = _anonymous()
        if file is not None:
            client.load_cert_chain(file)
        _, server_end = _handshake(server, client)
        return certificate_of(asyncio.BaseTransport({"ssl_object": server_end}))

    return shake_hands


@pytest.mark.parametrize(
    ("subject", "names", "name"),
    [
        (ANN, [], "Ann"),
        (ANN, [x509.RFC822Name("ann@example.org"), x509.RFC822Name("a@b.test")], "ann@example.org"),
        (ANN, [x509.DNSName("example.org")], "Ann"),
        (name_of((NameOID.ORGANIZATION_NAME, "x")), [], ""),
        (name_of((NameOID.COMMON_NAME, "a"), (NameOID.COMMON_NAME, "b")), [], "b"),
        (name_of((NameOID.COMMON_NAME, "a\nb")), [], ""),
        (name_of((NameOID.COMMON_NAME, "Jürgen")), [], "Jürgen"),
    ],
)
def test_whom_a_certificate_names(
    authority: Authority,
    show: Show,
    subject: x509.Name,
    names: Sequence[x509.GeneralName],
    name: str,
) -> None:
    """Its first e-mail address, else its last common name; one with control characters is none."""
    seen = show(authority.issue(subject, names))

    assert seen is not None
    assert seen.name == name


@pytest.mark.parametrize(
    ("subject", "written"),
    [
        (ANN, "C=DE,CN=Ann"),
        (name_of((NameOID.COMMON_NAME, ' a,b+"c"\\<;> ')), 'CN=\\ a\\,b\\+\\"c\\"\\\\\\<\\;\\>\\ '),
        (name_of((NameOID.COMMON_NAME, "#x")), "CN=\\#x"),
        (name_of((NameOID.COMMON_NAME, "a\r\nb\x1b")), "CN=a\\0D\\0Ab\\1B"),
        (name_of((NameOID.EMAIL_ADDRESS, "a@b")), "emailAddress=a@b"),
        (name_of((NameOID.DOMAIN_COMPONENT, "test"), (NameOID.USER_ID, "1")), "DC=test,UID=1"),
    ],
)
def test_how_names_are_written(
    authority: Authority, show: Show, subject: x509.Name, written: str
) -> None:
    """As in RFC 4514, with nothing that could pass for something else."""
    seen = show(authority.issue(subject))

    assert seen is not None
    assert (seen.subject, seen.issuer) == (written, "O=bindpost,CN=Test Authority")


def test_the_fingerprint_is_that_of_the_certificate(authority: Authority, show: Show) -> None:
    """Another library gives the same."""
    file = authority.issue(ANN)

    seen = show(file)

    assert seen is not None
    own = x509.load_pem_x509_certificate(file.read_bytes().partition(b"KEY-----\n")[2])
    assert seen.sha256 == own.fingerprint(hashes.SHA256()).hex()


def test_what_is_none(authority: Authority, show: Show) -> None:
    """No certificate; no TLS at all; and one with a name that is no UTF-8."""
    assert show(None) is None
    assert certificate_of(asyncio.BaseTransport()) is None
    assert show(authority.issue(ANN, alternatives=b"\x30\x04\x81\x02\xff\xfe")) is None


def test_another_authority_is_refused(show: Show, tmp_path: Path) -> None:
    """Asked for or not, a certificate that is shown must be good."""
    stranger = Authority(tmp_path, "Stranger").issue(ANN)

    with pytest.raises(ssl.SSLCertVerificationError):
        show(stranger)


def test_contexts_have_one_certificate(authority: Authority) -> None:
    """However they ask their clients; without an authority nobody is asked."""
    tls = Tls(certificate="self-signed", client_ca=str(authority.file))
    contexts = make_contexts(tls, hostname="mx.test", folder=Path())

    assert {asking: context.verify_mode for asking, context in contexts.items()} == {
        "off": ssl.CERT_NONE,
        "optional": ssl.CERT_OPTIONAL,
        "required": ssl.CERT_REQUIRED,
    }
    shown = [
        _handshake(asking, _anonymous())[0].getpeercert(binary_form=True)
        for asking in (contexts["off"], contexts["optional"])
    ]
    assert shown[0] == shown[1]
    alone = make_contexts(Tls(certificate="self-signed"), hostname="mx.test", folder=Path())
    assert list(alone) == ["off"]
    assert make_contexts(Tls(), hostname="mx.test", folder=Path()) == {}


@pytest.mark.parametrize("content", [None, b"", b"no PEM", b"\xff"])
def test_a_bad_authority_is_told(tmp_path: Path, content: bytes | None) -> None:
    """With the setting, the file, and what to do."""
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    tls = Tls(certificate="self-signed", client_ca="ca.pem")

    with pytest.raises(ConfigError, match=r"cannot use .*ca\.pem") as caught:
        make_contexts(tls, hostname="mx.test", folder=tmp_path)

    assert caught.value.key == "tls.client_ca"
    assert caught.value.hint
