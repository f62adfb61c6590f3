"""Every row of the ssh matrix, met for real: what event 4007 says, where a diagnosis ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import asyncssh
import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy import wsa
from bindpost.proxy.provider import ListenerState
from bindpost.proxy.ssh.matrix import ROWS
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.settings import SshSettings, Timing
from bindpost.proxy.ssh.standin import VERSION, Answer, SshStandIn

from ..fixtures import quiet_home as quiet_home

HERE = Endpoint.parse("127.0.0.1:0")
HASTY = Timing(login=0.5)
"""For what never answers."""


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


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk, timing: Timing = HASTY) -> AsyncIterator[SshSettings]:
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
    yield SshSettings(host="127.0.0.1", port=port, timing=timing)
    await finished.wait()
    listening.close()
    await listening.wait_closed()


# What stands in the server's place, or is wrong with the settings


class Case(NamedTuple):
    """A path that fails, and the endpoint that is asked for."""

    settings: SshSettings
    endpoint: Endpoint = HERE


Place = Callable[[Path], AbstractAsyncContextManager[Case]]
Spoil = Callable[[SshSettings, Path], SshSettings]
"""Makes good settings bad ones; the folder is for files."""


def named(host: str) -> Place:
    """A name in place of a server."""

    @asynccontextmanager
    async def run(_folder: Path) -> AsyncIterator[Case]:
        yield Case(SshSettings(host=host))

    return run


@asynccontextmanager
async def nobody(_folder: Path) -> AsyncIterator[Case]:
    """A port at which nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield Case(SshSettings(host="127.0.0.1", port=sock.getsockname()[1]))


@asynccontextmanager
async def black_hole(_folder: Path) -> AsyncIterator[Case]:
    """A port whose packets are dropped: its queue of connections is full."""
    with socket.socket() as sock, socket.socket() as first, socket.socket() as second:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(sock.getsockname())
        timing = Timing(connect=0.2)
        yield Case(SshSettings(host="127.0.0.1", port=sock.getsockname()[1], timing=timing))


def speaks(line: bytes, *, hangs_up: bool = False) -> Place:
    """A script: says a line, and then nothing more; or hangs up when it has heard ours."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line)
        if not hangs_up:
            await reader.read()
        elif line:
            await reader.readline()

    @asynccontextmanager
    async def run(_folder: Path) -> AsyncIterator[Case]:
        async with server(talk, Timing() if hangs_up else HASTY) as settings:
            yield Case(settings)

    return run


@asynccontextmanager
async def outdated(_folder: Path) -> AsyncIterator[Case]:
    """An SSH server whose only key exchange is one that nobody should speak any more."""
    acceptor = await asyncssh.listen(
        "127.0.0.1",
        0,
        config=None,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        kex_algs=["diffie-hellman-group1-sha1"],
    )
    yield Case(SshSettings(host="127.0.0.1", port=acceptor.get_port()))
    acceptor.close()
    await acceptor.wait_closed()


def standing_in(
    spoil: Spoil = lambda settings, folder: settings,
    *,
    answer: Answer = Answer.LISTEN,
    version: str = VERSION,
    endpoint: Endpoint = HERE,
    request: float = 15.0,
) -> Place:
    """The stand-in, with something wrong in the settings or in how it answers."""

    @asynccontextmanager
    async def run(folder: Path) -> AsyncIterator[Case]:
        standin = await SshStandIn.start(version=version)
        standin.answer = answer
        timing = Timing(request=request, unlisten=0.2)
        yield Case(spoil(standin.settings(folder, timing), folder), endpoint)
        await standin.deserted()
        await standin.stop()

    return run


@asynccontextmanager
async def taken(folder: Path) -> AsyncIterator[Case]:
    """A port that somebody holds there."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        endpoint = HERE.with_port(sock.getsockname()[1])
        async with standing_in(endpoint=endpoint)(folder) as case:
            yield case


def known_hosts(content: str) -> Spoil:
    """Another known_hosts; `{line}` is the right line, `{key}` the key in it, `{port}` the port."""

    def spoil(settings: SshSettings, _folder: Path) -> SshSettings:
        line = settings.known_hosts.read_text()
        facts = {"line": line, "key": line.partition(" ")[2], "port": settings.port}
        settings.known_hosts.write_text(content.format(**facts))
        return settings

    return spoil


def no_known_hosts(settings: SshSettings, _folder: Path) -> SshSettings:
    """The user's own known_hosts, which isn't there."""
    return replace(settings, known_hosts=SshSettings(host="x").known_hosts)


def known_hosts_gone(settings: SshSettings, folder: Path) -> SshSettings:
    """A known_hosts that was named and isn't there."""
    return replace(settings, known_hosts=folder / "gone")


def another_key_known(kind: str) -> Spoil:
    """A known_hosts with a key of a kind that the server hasn't got."""

    def spoil(settings: SshSettings, folder: Path) -> SshSettings:
        key = asyncssh.generate_private_key(kind).export_public_key().decode()
        return known_hosts(f"[127.0.0.1]:{{port}} {key}")(settings, folder)

    return spoil


def no_key(settings: SshSettings, _folder: Path) -> SshSettings:
    """Neither key nor agent."""
    return replace(settings, key=None)


def key_file(content: str | None) -> Spoil:
    """A key file with nonsense in it, or none."""

    def spoil(settings: SshSettings, folder: Path) -> SshSettings:
        if content is not None:
            (folder / "key").write_text(content)
        return replace(settings, key=folder / "key")

    return spoil


def stranger_s_key(passphrase: str | None = None) -> Spoil:
    """Another client's key."""

    def spoil(settings: SshSettings, folder: Path) -> SshSettings:
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / "key", "pkcs8-pem", passphrase=passphrase)
        return replace(settings, key=folder / "key")

    return spoil


def empty_password_file(settings: SshSettings, folder: Path) -> SshSettings:
    """A password file without a password, and no key."""
    (folder / "word").touch()
    return replace(settings, key=None, password_file=folder / "word")


# The scenarios, as docs/ssh.md and docs/troubleshooting.md have them


class Scenario(NamedTuple):
    """
    A row's key, how it is met, and where.

    `cause` is the error underneath where it isn't the row's. `says` is in the reason.
    """

    key: str
    how: str
    place: Place
    cause: int = 0
    says: str = ""


GREETING = b"SSH-2.0-OpenSSH_9.2p1\r\n"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\n\r\n"
DROPBEAR = "dropbear_2022.83"
FORBIDDEN = HERE.with_port(25)

SCENARIOS = [
    Scenario("unresolvable", "no name", named("x" * 64 + ".invalid")),
    Scenario("refused", "nothing listens", nobody),
    Scenario("unreachable", "packets are dropped", black_hole, says="no answer"),
    Scenario("closed-early", "hangs up", speaks(b"", hangs_up=True)),
    Scenario(
        "closed-early",
        "MaxStartups",
        speaks(b"Exceeded MaxStartups\r\n", hangs_up=True),
        says="'Exceeded MaxStartups'",
    ),
    Scenario("silent", "says nothing", speaks(b"")),
    Scenario(
        "not-ssh",
        "a mail server",
        speaks(b"220 mx.example ESMTP\r\n"),
        says="'220 mx.example ESMTP'",
    ),
    Scenario(
        "not-ssh",
        "a web server",
        speaks(BAD_REQUEST, hangs_up=True),
        10054,
        "'HTTP/1.1 400 Bad Request'",
    ),
    Scenario("no-common-algorithm", "SSH 1", speaks(b"SSH-1.5-old\r\n"), says="'SSH-1.5-old'"),
    Scenario("no-common-algorithm", "an outdated server", outdated),
    Scenario("known-hosts", "no such file", standing_in(known_hosts_gone), 10049, "No such file"),
    Scenario(
        "known-hosts",
        "no such lines",
        standing_in(known_hosts("nonsense")),
        says="Invalid known hosts entry",
    ),
    Scenario("credentials", "no key file", standing_in(key_file(None)), 10049, "No such file"),
    Scenario("credentials", "no key in it", standing_in(key_file("nonsense"))),
    Scenario(
        "credentials", "a passphrase", standing_in(stranger_s_key("secret")), says="assphrase"
    ),
    Scenario(
        "credentials",
        "no password in it",
        standing_in(empty_password_file),
        says="its first line is empty",
    ),
    Scenario(
        "host-key-unknown",
        "no line",
        standing_in(known_hosts("")),
        says="it shows ssh-ed25519 SHA256:",
    ),
    Scenario("host-key-unknown", "no file", standing_in(no_known_hosts)),
    Scenario(
        "host-key-changed",
        "the same kind",
        standing_in(another_key_known("ssh-ed25519")),
        says="it shows ssh-ed25519 SHA256:",
    ),
    Scenario("host-key-changed", "RSA known", standing_in(another_key_known("ssh-rsa"))),
    Scenario(
        "host-key-changed", "ECDSA known", standing_in(another_key_known("ecdsa-sha2-nistp256"))
    ),
    Scenario(
        "host-key-revoked",
        "known and revoked",
        standing_in(known_hosts("{line}\n@revoked * {key}")),
    ),
    Scenario("denied", "a wrong key", standing_in(stranger_s_key())),
    Scenario("denied", "no key", standing_in(no_key)),
    Scenario("login-slow", "greets and waits", speaks(GREETING)),
    Scenario("lost-in-login", "greets and hangs up", speaks(GREETING, hangs_up=True)),
    Scenario("not-tcp", "a Unix socket", standing_in(endpoint=Endpoint(path="/run/mail"))),
    Scenario("forwarding-disabled", "AllowTcpForwarding no", standing_in(answer=Answer.DISABLED)),
    Scenario("permit-listen", "PermitListen", standing_in(answer=Answer.NOT_PERMITTED)),
    Scenario(
        "refused-unexplained",
        "Dropbear",
        standing_in(answer=Answer.IN_USE, version=DROPBEAR),
        says="dropbear",
    ),
    Scenario("no-answer", "silence", standing_in(answer=Answer.SILENT, request=0.2)),
    Scenario("lost-in-request", "hangs up at it", standing_in(answer=Answer.HANG_UP)),
    Scenario("in-use", "a taken port", taken),
    Scenario(
        "in-use-or-privileged", "port 25", standing_in(answer=Answer.IN_USE, endpoint=FORBIDDEN)
    ),
    Scenario("not-local", "port 0 is never in use", standing_in(answer=Answer.IN_USE)),
]


def each(scenarios: list[Scenario]) -> pytest.MarkDecorator:
    """Give a test each scenario."""
    names = [f"{scenario.key}, {scenario.how}" for scenario in scenarios]
    return pytest.mark.parametrize("scenario", scenarios, ids=names)


def facts_of(key: str, case: Case) -> dict[str, object]:
    """Give what the sentences of a row name."""
    settings = case.settings
    credentials = settings.key or settings.password_file
    return {
        "host": settings.host,
        "server": settings.server,
        "login": settings.login,
        "endpoint": case.endpoint,
        "port": case.endpoint.port,
        "file": credentials if key == "credentials" else settings.known_hosts,
        "other": "",
    }


@each(SCENARIOS)
async def test_row(tmp_path: Path, scenario: Scenario) -> None:
    """`create_server` fails with its row's error, word by word, and leaves nothing behind."""
    async with scenario.place(tmp_path) as case:
        error = await bind(case.settings, case.endpoint)

    row, facts = ROWS[scenario.key], facts_of(scenario.key, case)
    cause = scenario.cause or row.cause
    assert (error.code, error.hop) == (row.code, row.hop)
    assert (error.endpoint, error.path) == (str(case.endpoint), case.settings.url)
    assert error.detail.startswith(row.situation.format(**facts))
    assert error.detail.endswith(f"({wsa.name_of(cause)}, {cause})")
    assert scenario.says in error.detail
    assert error.hint == row.hint.format(**facts)


IN_ORDER = ("resolve", "connect", "greeting", "auth", "request", "bind")
FORESEEN = [
    scenario
    for scenario in SCENARIOS
    if ROWS[scenario.key].hop in IN_ORDER[:4] or scenario.key in {"not-tcp", "in-use"}
]


@each(FORESEEN)
async def test_diagnosis_agrees(tmp_path: Path, scenario: Scenario) -> None:
    """What doesn't need a bind to be seen is told by `diagnose` too; what is after it is open."""
    async with scenario.place(tmp_path) as case:
        hops = await SshProvider(case.settings).diagnose(case.endpoint)

    row = ROWS[scenario.key]
    number = [hop.ok for hop in hops].index(False)
    failed = hops[number]
    assert all(hop.ok for hop in hops[:number])
    assert all(hop.ok is None for hop in hops[number + 1 :])
    assert [hop.name for hop in hops] == sorted((h.name for h in hops), key=IN_ORDER.index)
    assert (failed.name, failed.code) == (row.hop, row.code)
    assert failed.hint == row.hint.format(**facts_of(scenario.key, case))
    assert all(hop.milliseconds >= 0 for hop in hops)


# What the table doesn't show


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


async def test_a_user_name_that_ssh_forbids(settings: SshSettings) -> None:
    """A name that mixes directions of writing can't be sent (RFC 4013); the socket is closed."""
    forbidden = replace(settings, user="\u05d0a")

    error = await bind(forbidden)
    hops = await SshProvider(forbidden).diagnose(HERE)

    assert (error.code, error.hop) == (10050, "auth")
    assert "credentials" in error.detail
    assert [hop.name for hop in hops] == ["resolve", "connect", "auth", "bind"]
    assert all(hop.milliseconds >= 0 for hop in hops)


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
