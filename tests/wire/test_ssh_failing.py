"""An ssh path that fails: what `create_server` raises, and at which hop a diagnosis ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.provider import ListenerState
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.settings import SshSettings, Timing
from bindpost.proxy.ssh.standin import Answer, SshStandIn

HERE = Endpoint.parse("127.0.0.1:0")
QUICK = Timing(connect=5.0, login=0.2, request=0.2, unlisten=0.2)


@pytest.fixture(autouse=True)
def quiet_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the user who runs the tests is used: no key, no agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
async def standin() -> AsyncIterator[SshStandIn]:
    """An SSH server."""
    server = await SshStandIn.start()
    yield server
    await server.stop()


@pytest.fixture
def settings(standin: SshStandIn, tmp_path: Path) -> SshSettings:
    """Settings with which a login works."""
    return standin.settings(tmp_path)


async def bind(settings: SshSettings, endpoint: Endpoint = HERE) -> BindError:
    """Fail to bind, and leave no task behind."""
    with pytest.raises(BindError) as caught:
        await SshProvider(settings).create_server(asyncio.Protocol, endpoint)
    await asyncio.sleep(0)
    named = [repr(task) for task in asyncio.all_tasks()]
    assert [task for task in named if "bindpost" in task or "asyncssh" in task] == [
        task for task in named if "standin" in task or "_finish_port_forward" in task
    ]
    return caught.value


async def diagnose(
    settings: SshSettings, endpoint: Endpoint = HERE
) -> list[tuple[str, bool | None]]:
    """Give what a diagnosis says, in short."""
    return [(hop.name, hop.ok) for hop in await SshProvider(settings).diagnose(endpoint)]


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[SshSettings]:
    """Run something that is no SSH server; gives settings that lead there."""
    finished = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        finally:
            finished.set()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    yield SshSettings(host="127.0.0.1", port=port, timing=QUICK)
    await finished.wait()
    listening.close()
    await listening.wait_closed()


async def test_nothing_listens() -> None:
    """A port at which nothing listens refuses the connection."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # and not listen
        settings = SshSettings(host="127.0.0.1", port=sock.getsockname()[1])
        error = await bind(settings)
        hops = await diagnose(settings)

    assert (error.code, error.hop) == (10050, "connect")
    assert "10061" in error.detail
    assert hops == [
        ("resolve", True),
        ("connect", False),
        ("greeting", None),
        ("auth", None),
        ("bind", None),
    ]


async def test_a_name_that_is_none() -> None:
    """A name that can't be one is not resolved, without asking anybody."""
    error = await bind(SshSettings(host="x" * 64 + ".invalid"))

    assert (error.code, error.hop) == (10050, "resolve")
    assert "11001" in error.detail


async def test_a_silent_server() -> None:
    """Who accepts and says nothing is given up after the login's time."""

    async def listen_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(listen_only) as settings:
        error = await bind(settings)

    assert (error.code, error.hop) == (10050, "greeting")
    assert "says nothing (WSAETIMEDOUT, 10060)" in error.detail


async def test_a_mail_server() -> None:
    """What another server says is told, so that a person sees what is there."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx.example ESMTP\r\n")
        await reader.read()

    async with server(greet) as settings:
        error = await bind(settings)

    assert (error.code, error.hop) == (10050, "greeting")
    assert "no SSH server: '220 mx.example ESMTP' (WSAETIMEDOUT, 10060)" in error.detail


async def test_a_web_server() -> None:
    """One that answers our version line and hangs up is told at once."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with server(refuse) as settings:
        error = await bind(settings)

    assert "'HTTP/1.1 400 Bad Request' (WSAECONNRESET, 10054)" in error.detail


async def test_a_server_that_hangs_up() -> None:
    """A connection that is closed at once is no silent server."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader, writer

    async with server(hang_up) as settings:
        error = await bind(settings)
        hops = await diagnose(settings)

    assert (error.code, error.hop) == (10050, "greeting")
    assert "before it greets" in error.detail
    assert hops[2:] == [("greeting", False), ("auth", None), ("bind", None)]


async def test_too_many_logins_under_way() -> None:
    """sshd's MaxStartups says so in place of a version line."""

    async def turn_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Exceeded MaxStartups\r\n")
        await writer.drain()

    async with server(turn_away) as settings:
        error = await bind(settings)

    assert "Exceeded MaxStartups" in error.detail
    assert "no SSH server" not in error.detail


async def test_an_old_version() -> None:
    """SSH 1 is no SSH that can be spoken."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-1.5-old\r\n")
        await reader.read()

    async with server(greet) as settings:
        error = await bind(settings)

    assert (error.code, error.hop) == (10050, "greeting")
    assert "10043" in error.detail


@pytest.mark.parametrize("version", [b"SSH-2.0-\xff\xfe", b"SSH-2.0-\x1b[2J"])
async def test_a_version_line_of_other_bytes(version: bytes) -> None:
    """A version line that is no text is an error at the greeting, and shown without harm."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(version + b"\r\n")
        await reader.read()

    async with server(greet) as settings:
        hops = await SshProvider(settings).diagnose(HERE)

    assert next(hop for hop in hops if hop.ok is False).name in {"greeting", "auth"}
    assert "\x1b" not in "".join(hop.detail for hop in hops)


async def test_a_flood_in_place_of_a_greeting() -> None:
    """A stranger that sends without end is cut off, and little of it is kept."""

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while True:
                writer.write(b"x" * 1024)
                await writer.drain()

    async with server(flood) as settings:
        error = await bind(settings)

    assert error.hop == "greeting"
    assert len(str(error)) < 400


async def test_an_unknown_host_key(settings: SshSettings) -> None:
    """A host without a line in known_hosts is not trusted; its fingerprint is told."""
    settings.known_hosts.write_text("")

    error = await bind(settings)

    assert (error.code, error.hop) == (10050, "auth")
    assert "not known here: it shows ssh-ed25519 SHA256:" in error.detail
    assert str(settings.known_hosts) in error.hint


async def test_no_known_hosts_at_all(settings: SshSettings) -> None:
    """Without a file, nobody is trusted."""
    default = SshSettings(host=settings.host, port=settings.port, key=settings.key)

    error = await bind(default)

    assert "not known here" in error.detail


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"])
async def test_a_changed_host_key(settings: SshSettings, kind: str) -> None:
    """Another key than the known one is a change, of whatever kind the known one is."""
    other = asyncssh.generate_private_key(kind).export_public_key().decode()
    settings.known_hosts.write_text(f"[127.0.0.1]:{settings.port} {other}")

    error = await bind(settings)

    assert (error.code, error.hop) == (10050, "auth")
    assert "another than the one in known_hosts" in error.detail


async def test_a_revoked_host_key(settings: SshSettings) -> None:
    """A key that is revoked is refused even where it is known."""
    known = settings.known_hosts.read_text()
    settings.known_hosts.write_text(f"{known}\n@revoked * {known.partition(' ')[2]}")

    error = await bind(settings)

    assert "marked @revoked" in error.detail


async def test_known_hosts_that_cannot_be_read(settings: SshSettings) -> None:
    """A broken file is told as what it is."""
    settings.known_hosts.write_text("nonsense")

    error = await bind(settings)

    assert (error.code, error.hop) == (10050, "auth")
    assert "known_hosts" in error.detail
    assert "Invalid known hosts entry" in error.detail


async def test_a_wrong_key(settings: SshSettings, tmp_path: Path) -> None:
    """A key that the server doesn't take is refused; the greeting was fine."""
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "wrong")
    wrong = replace(settings, key=tmp_path / "wrong")

    error = await bind(wrong)

    assert (error.code, error.hop) == (10050, "auth")
    assert "refuses the login of mail@" in error.detail
    assert (await diagnose(wrong))[2:] == [("greeting", True), ("auth", False), ("bind", None)]


async def test_no_key(settings: SshSettings) -> None:
    """Who has neither key nor agent is refused in the same way."""
    error = await bind(replace(settings, key=None))

    assert (error.code, error.hop) == (10050, "auth")


@pytest.mark.parametrize("content", [None, "nonsense"])
async def test_a_key_that_is_none(
    settings: SshSettings, tmp_path: Path, content: str | None
) -> None:
    """A key file that is gone or no key is told before anything is sent."""
    if content is not None:
        (tmp_path / "none").write_text(content)

    error = await bind(replace(settings, key=tmp_path / "none", port=1))

    assert (error.code, error.hop) == (10050, "auth")
    assert "credentials" in error.detail


async def test_a_key_with_a_passphrase(settings: SshSettings, tmp_path: Path) -> None:
    """Nobody is there to type a passphrase; the agent is the way."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "locked", "pkcs8-pem", passphrase="secret")

    error = await bind(replace(settings, key=tmp_path / "locked"))

    assert "assphrase" in error.detail
    assert "agent" in error.hint


async def test_a_user_name_that_ssh_forbids(settings: SshSettings) -> None:
    """A name that mixes directions of writing can't be sent (RFC 4013); the socket is closed."""
    forbidden = replace(settings, user="\u05d0a")

    error = await bind(forbidden)
    hops = await SshProvider(forbidden).diagnose(HERE)

    assert (error.code, error.hop) == (10050, "auth")
    assert "credentials" in error.detail
    assert [hop.name for hop in hops] == ["resolve", "connect", "auth", "bind"]
    assert all(hop.milliseconds >= 0 for hop in hops)


async def test_an_empty_password_file(settings: SshSettings, tmp_path: Path) -> None:
    """A password file without a password is an error of its own."""
    (tmp_path / "word").touch()

    error = await bind(replace(settings, password_file=tmp_path / "word"))

    assert "its first line is empty" in error.detail


@pytest.mark.parametrize(
    ("answer", "code", "hop", "words"),
    [
        (Answer.DISABLED, 10050, "request", "AllowTcpForwarding"),
        (Answer.NOT_PERMITTED, 10050, "request", "PermitListen"),
        (Answer.SILENT, 10050, "request", "log"),
        (Answer.HANG_UP, 10050, "request", "log"),
        (Answer.IN_USE, 10050, "bind", "address"),  # port 0 is never in use
    ],
)
async def test_a_refused_request(
    standin: SshStandIn, tmp_path: Path, answer: Answer, code: int, hop: str, words: str
) -> None:
    """Each way of refusing is told from the others."""
    standin.answer = answer

    error = await bind(standin.settings(tmp_path, QUICK))

    assert (error.code, error.hop) == (code, hop)
    assert words in error.hint
    await standin.deserted()


async def test_a_taken_port(settings: SshSettings) -> None:
    """A port that somebody holds there is 10048."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        endpoint = HERE.with_port(sock.getsockname()[1])

        error = await bind(settings, endpoint)

    assert (error.code, error.hop) == (10048, "bind")
    assert error.endpoint == str(endpoint)


async def test_a_server_that_gives_no_reasons(tmp_path: Path) -> None:
    """Of a server that is no OpenSSH nobody knows why it refuses, so nothing is claimed."""
    standin = await SshStandIn.start(version="dropbear_2022.83")
    standin.answer = Answer.IN_USE

    error = await bind(standin.settings(tmp_path), HERE.with_port(2525))
    await standin.stop()

    assert (error.code, error.hop) == (10050, "request")
    assert "dropbear" in error.detail


async def test_a_password_from_a_file(tmp_path: Path) -> None:
    """A password is taken from a file where no key is to be had."""

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == ("mail", "secret")

        def server_requested(self, listen_host: str, listen_port: int) -> bool:
            return True

    key = asyncssh.generate_private_key("ssh-ed25519")
    acceptor = await asyncssh.listen(
        "127.0.0.1", 0, config=None, server_factory=Server, server_host_keys=[key]
    )
    port = acceptor.get_port()
    (tmp_path / "word").write_text("secret\n")
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {key.export_public_key().decode()}")
    listener = await SshProvider(
        SshSettings(
            host="127.0.0.1",
            port=port,
            user="mail",
            known_hosts=tmp_path / "known",
            password_file=tmp_path / "word",
        )
    ).create_server(asyncio.Protocol, HERE)

    assert listener.state is ListenerState.LISTENING
    listener.close()
    await listener.wait_closed()
    acceptor.close()
    await acceptor.wait_closed()


async def test_a_host_certificate(tmp_path: Path, standin: SshStandIn) -> None:
    """A host key that a known authority has signed is trusted without a line of its own."""
    authority = asyncssh.generate_private_key("ssh-ed25519")
    certificate = authority.generate_host_certificate(
        standin.host_key, "bindpost test", principals=["127.0.0.1"]
    )
    settings = standin.settings(tmp_path)
    settings.known_hosts.write_text(f"@cert-authority * {authority.export_public_key().decode()}")
    await standin.stop()
    await standin.listen(certificate)
    listener = await SshProvider(settings).create_server(asyncio.Protocol, HERE)

    assert listener.state is ListenerState.LISTENING
    listener.close()
    await listener.wait_closed()
