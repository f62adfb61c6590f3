"""Certificates of clients: asked for, kept with the mail, and logged in by; on either engine."""

from __future__ import annotations

import contextlib
import ssl
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from bindpost import events
from bindpost.config.model import Auth, Tls
from bindpost.errors import ConfigError

from ..authority import Authority, name_of

if TYPE_CHECKING:
    from tests.wire.conftest import Bench, Peer, Serve

ENGINES = pytest.mark.parametrize("engine", ["fast", "stock"])
WAYS = pytest.mark.parametrize("way", ["starttls", "implicit"])
ANN = name_of((NameOID.COMMON_NAME, "Ann"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give the authority that the server trusts."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Path:
    """Give Ann's certificate."""
    return authority.issue(ANN, [x509.RFC822Name("ann@example.org")])


@pytest.fixture
def asking(authority: Authority) -> dict[str, Any]:
    """Give the settings of a server that asks for certificates."""
    tls = Tls(certificate="self-signed", client_ca=str(authority.file))
    return {"personality": "plain", "tls": tls}


def _client(context: ssl.SSLContext, certificate: Path | None) -> ssl.SSLContext:
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context


async def _inside(bench: Bench, context: ssl.SSLContext, way: str) -> tuple[Peer, bytes]:
    """Come to the inside of TLS; gives what EHLO says there."""
    if way == "implicit":
        peer = await bench.connected(tls=context)
        assert (await peer.reply()).startswith(b"220")
    else:
        peer = await bench.ehlo()
        assert (await peer.say("STARTTLS")).startswith(b"220")
        await peer.writer.start_tls(context)
    return peer, await peer.say("EHLO c")


async def _send(peer: Peer) -> None:
    for command in ("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "x\r\n."):
        assert (await peer.say(command))[:1] in b"23"


@ENGINES
@WAYS
async def test_a_certificate_logs_in(
    serve: Serve,
    asking: dict[str, Any],
    client_tls: ssl.SSLContext,
    certificate: Path,
    engine: str,
    way: Any,
) -> None:
    """EXTERNAL is offered to whoever has shown one; what it says is kept with the mail."""
    bench = await serve(**asking, engine=engine, listener_tls=way)
    peer, keywords = await _inside(bench, _client(client_tls, certificate), way)

    assert b" EXTERNAL\r\n" in keywords
    assert await peer.say("AUTH EXTERNAL =") == b"235 2.7.0 Authentication successful\r\n"
    await _send(peer)

    (row,) = await bench.rows()
    shown = row.session.client_certificate
    assert shown is not None
    assert (shown.subject, shown.issuer) == ("CN=Ann", "O=bindpost,CN=Test Authority")
    assert len(shown.sha256) == 64
    assert shown.name == row.session.login == "ann@example.org"


@ENGINES
@WAYS
async def test_a_client_may_have_none(
    serve: Serve, asking: dict[str, Any], client_tls: ssl.SSLContext, engine: str, way: Any
) -> None:
    """It sends mail, and isn't offered EXTERNAL, which it can't log in by."""
    bench = await serve(**asking, engine=engine, listener_tls=way)
    peer, keywords = await _inside(bench, client_tls, way)

    assert b"EXTERNAL" not in keywords
    assert b"AUTH PLAIN LOGIN" in keywords
    assert (await peer.say("AUTH EXTERNAL =")).startswith(b"535 5.7.8")
    await _send(peer)

    (row,) = await bench.rows()
    assert row.session.client_certificate is None
    assert row.session.tls_version is not None


@ENGINES
@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([f"AUTH EXTERNAL {b64encode(b'ANN@example.org').decode()}"], b"235"),
        (["AUTH EXTERNAL", b64encode(b"ann@example.org").decode()], b"235"),
        (["AUTH EXTERNAL", ""], b"235"),
        ([f"AUTH EXTERNAL {b64encode(b'Ann').decode()}"], b"535 5.7.8"),
        (["AUTH EXTERNAL", b64encode(b"eve").decode()], b"535 5.7.8"),
        ([f"AUTH EXTERNAL {b64encode(bytes(1)).decode()}"], b"501 5.5.2"),
        (["AUTH EXTERNAL x"], b"501 5.5.2"),
        (["AUTH EXTERNAL", "*"], b"501 5.7.0"),
    ],
)
async def test_nobody_is_another(
    serve: Serve,
    asking: dict[str, Any],
    client_tls: ssl.SSLContext,
    certificate: Path,
    engine: str,
    said: list[str],
    code: bytes,
) -> None:
    """A client may name itself, as its certificate does, or nobody (RFC 4422, appendix A)."""
    bench = await serve(**asking, engine=engine)
    peer, _ = await _inside(bench, _client(client_tls, certificate), "starttls")

    for line in said:
        reply = await peer.say(line)

    assert reply.startswith(code)


@ENGINES
@pytest.mark.parametrize(("users", "code"), [("Ann@Example.org:x", b"235"), ("Ann:x", b"535")])
async def test_a_users_file_counts(
    serve: Serve,
    asking: dict[str, Any],
    client_tls: ssl.SSLContext,
    certificate: Path,
    tmp_path: Path,
    engine: str,
    users: str,
    code: bytes,
) -> None:
    """Where there are users, a certificate is one's of them."""
    (tmp_path / "users").write_text(users)
    bench = await serve(**asking, engine=engine, folder=tmp_path, auth=Auth(users="users"))
    peer, _ = await _inside(bench, _client(client_tls, certificate), "starttls")

    assert (await peer.say("AUTH EXTERNAL =")).startswith(code)


@ENGINES
async def test_no_certificate_no_tls(
    serve: Serve, asking: dict[str, Any], client_tls: ssl.SSLContext, engine: str
) -> None:
    """A listener that requires one ends a handshake without, and goes on in the clear."""
    bench = await serve(**asking, engine=engine, client_certificates="required")
    peer = await bench.ehlo()
    assert (await peer.say("STARTTLS")).startswith(b"220")
    await peer.writer.start_tls(client_tls)  # TLS 1.3 tells the client only when it reads

    assert await peer.rest() == b""
    event = await bench.events.wait_for(events.TLS_FAILED)
    assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in event["error"]
    assert b"STARTTLS" in await (await bench.greeted()).say("EHLO c")


@ENGINES
async def test_no_certificate_no_session(
    serve: Serve, asking: dict[str, Any], client_tls: ssl.SSLContext, engine: str
) -> None:
    """With TLS from the first byte, a client without one never comes as far as the banner."""
    bench = await serve(
        **asking, engine=engine, listener_tls="implicit", client_certificates="required"
    )

    said = b""
    with contextlib.suppress(OSError):  # its alert may come during the handshake, or after it
        said = await (await bench.connected(tls=client_tls)).rest()

    assert said == b""


@ENGINES
@pytest.mark.parametrize("asked", ["optional", "required"])
async def test_a_strangers_certificate_ends_tls(
    serve: Serve,
    asking: dict[str, Any],
    client_tls: ssl.SSLContext,
    tmp_path: Path,
    engine: str,
    asked: Any,
) -> None:
    """One that another authority has signed is refused even where none is required."""
    bench = await serve(**asking, engine=engine, client_certificates=asked)
    peer = await bench.ehlo()
    assert (await peer.say("STARTTLS")).startswith(b"220")
    stranger = Authority(tmp_path, "Stranger").issue(ANN)
    await peer.writer.start_tls(_client(client_tls, stranger))

    assert await peer.rest() == b""
    event = await bench.events.wait_for(events.TLS_FAILED)
    assert "CERTIFICATE_VERIFY_FAILED" in event["error"]


async def test_a_listener_may_ask_nobody(
    serve: Serve, asking: dict[str, Any], client_tls: ssl.SSLContext, certificate: Path
) -> None:
    """Then nobody shows one, and there is no EXTERNAL."""
    bench = await serve(**asking, client_certificates="off")
    peer, keywords = await _inside(bench, _client(client_tls, certificate), "starttls")

    assert b"EXTERNAL" not in keywords
    assert (await peer.say("AUTH EXTERNAL =")).startswith(b"504 5.5.4")


async def test_ims_keeps_the_certificate_too(
    serve: Serve, asking: dict[str, Any], client_tls: ssl.SSLContext, certificate: Path
) -> None:
    """Its personalities know no EXTERNAL, but what TLS has verified is a fact."""
    bench = await serve(**{**asking, "personality": "ims-5.5"})
    peer, keywords = await _inside(bench, _client(client_tls, certificate), "starttls")
    assert b"EXTERNAL" not in keywords
    await _send(peer)

    (row,) = await bench.rows()
    assert row.session.client_certificate is not None


@pytest.mark.parametrize(
    ("tls", "listener", "key"),
    [
        (Tls(client_ca="x"), {"listener_tls": "off"}, "tls.client_ca"),
        (Tls(certificate="self-signed"), {"client_certificates": "optional"}, "listener[0]"),
        (None, {"client_certificates": "required", "listener_tls": "off"}, "listener[0]"),
    ],
)
async def test_what_cannot_be_asked_for_is_told(
    serve: Serve, asking: dict[str, Any], tls: Tls | None, listener: dict[str, Any], key: str
) -> None:
    """An authority without TLS, and listeners that can see or verify no certificate."""
    settings = asking | ({"tls": tls} if tls is not None else {})

    with pytest.raises(ConfigError) as caught:
        await serve(**settings, **listener)

    assert caught.value.key.startswith(key)
