"""The ssh path against OpenSSH's own server: sshd, ssh-keygen, ssh-agent."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import smtplib
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Listener as ListenerSettings
from bindpost.config.model import Settings, Tls
from bindpost.errors import BindError
from bindpost.proxy.local import free_port
from bindpost.proxy.provider import ListenerState
from bindpost.proxy.ssh.listener import SshListener
from bindpost.proxy.ssh.openssh import OpenSshServer, make_privilege_folder
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.settings import Timing
from bindpost.server.message.model import new_id
from bindpost.server.smtp.service import Resources, session_factory
from bindpost.server.smtp.sessions import Sessions
from bindpost.server.store.memory import MemoryStore
from bindpost.testing.logged import all_said

from ..fixtures import both_loops as both_loops
from ..fixtures import quiet_home as quiet_home

HERE = Endpoint.parse("127.0.0.1:0")
ANYBODY = Endpoint.parse("0.0.0.0:0")
QUICK = Timing(pauses=(0.001, 0.01, 0.05), slow=0.05)
PAGE = Path(__file__).parents[2] / "docs" / "ssh.md"


@pytest.fixture
def sshd_files(program: Callable[[str], Path], tmp_path: Path) -> OpenSshServer:
    """The keys and files of an sshd that is not started."""
    return OpenSshServer(program("sshd"), program("ssh-keygen"), tmp_path)


@pytest.fixture
async def sshd(sshd_files: OpenSshServer) -> AsyncIterator[OpenSshServer]:
    """An sshd that a test starts as it wants."""
    yield sshd_files
    await sshd_files.stop()


@pytest.fixture
def provider(sshd: OpenSshServer) -> SshProvider:
    """A provider that can log in."""
    return SshProvider(sshd.settings(QUICK))


async def refusal(sshd: OpenSshServer, endpoint: Endpoint = HERE, **changes: object) -> BindError:
    """Fail to bind."""
    provider = SshProvider(replace(sshd.settings(QUICK), **changes))  # type: ignore[arg-type] # by name
    with pytest.raises(BindError) as caught:
        await provider.create_server(asyncio.Protocol, endpoint)
    return caught.value


class Namer(asyncio.Protocol):
    """Says who is there, then echoes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say it."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        host, port, *_ = transport.get_extra_info("peername")
        transport.write(f"{host}:{port}\n".encode())

    def data_received(self, data: bytes) -> None:
        """Echo."""
        self.transport.write(data)


@asynccontextmanager
async def bound(
    provider: SshProvider, endpoint: Endpoint = HERE, **options: object
) -> AsyncIterator[SshListener]:
    """Bind, and close again; no session may be left that somebody keeps open."""
    listener = await provider.create_server(Namer, endpoint, **options)  # type: ignore[arg-type] # by name
    assert isinstance(listener, SshListener)
    try:
        yield listener
    finally:
        listener.close()
        await listener.deserted()


async def visit(port: int, host: str = "127.0.0.1") -> tuple[str, str]:
    """Connect and hang up; gives our own name, and the one that the session says."""
    reader, writer = await asyncio.open_connection(host, port)
    name = writer.get_extra_info("sockname")
    said = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return f"{name[0]}:{name[1]}", said.decode().strip()


# What works


async def test_a_mail_with_starttls(
    sshd: OpenSshServer, provider: SshProvider, tmp_path: Path
) -> None:
    """A mail sent after STARTTLS through sshd is kept, with its real peer."""
    pytest.importorskip("cryptography")
    await sshd.start("AllowTcpForwarding remote")
    settings = Settings(
        listener=(ListenerSettings(endpoint=str(HERE)),), tls=Tls(certificate="self-signed")
    )
    resources = Resources.load(settings, hostname="mx.example", folder=tmp_path)
    store, sessions = MemoryStore(), Sessions(10)
    factory = session_factory(
        resources, settings.listener[0], via=provider.url, store=store, sessions=sessions
    )
    listener = await provider.create_server(factory, HERE)
    mark = new_id()

    name = await asyncio.to_thread(send, listener.addresses[0].port, mark)

    listener.close()
    await listener.wait_closed()
    await sessions.drain(10)
    assert isinstance(listener, SshListener)
    await listener.deserted()
    (row,) = await store.find()
    facts = row.session
    assert facts.peer == f"{name[0]}:{name[1]}"
    assert facts.via == provider.url
    assert facts.tls_version is not None
    assert mark.encode() in (await store.raw(row.id) or b"")


def send(port: int, mark: str) -> tuple[str, int]:
    """Send a large mail after STARTTLS; blocks. Gives the client's own address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example") as client:
        assert client.sock is not None
        name: tuple[str, int] = client.sock.getsockname()
        client.starttls(context=context)
        body = f"Subject: {mark}\n\n" + "0123456789\n" * 100_000
        client.sendmail("a@example.com", ["b@example.com"], body)
    return name


async def test_many_peers_at_once(sshd: OpenSshServer, provider: SshProvider) -> None:
    """64 peers connect together; none is lost, and each session knows its own."""
    await sshd.start()
    async with bound(provider) as listener:
        visits = [visit(listener.addresses[0].port) for _ in range(64)]
        names = await asyncio.gather(*visits)

    assert [own for own, _ in names] == [told for _, told in names]


async def test_one_after_the_other(sshd: OpenSshServer, provider: SshProvider) -> None:
    """Peers that come in a tight sequence find the port open, every time."""
    await sshd.start()
    async with bound(provider) as listener:
        for _ in range(100):
            own, told = await visit(listener.addresses[0].port)
            assert own == told


async def test_an_ipv6_port(sshd: OpenSshServer, provider: SshProvider) -> None:
    """A peer on IPv6 is told as the socket module tells it."""
    await sshd.start("GatewayPorts clientspecified")
    async with bound(provider, Endpoint.parse("[::1]:0")) as listener:
        try:
            _, told = await visit(listener.addresses[0].port, "::1")
        except OSError:
            pytest.skip("no IPv6 loopback on this machine")

    assert told.startswith("::1:")


async def test_a_key_in_the_agent(
    sshd: OpenSshServer, program: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key of its own the path asks the agent, where a key with a passphrase may be."""
    await sshd.start()
    agent_socket = str(sshd.folder / "agent")
    agent = await asyncio.create_subprocess_exec(
        program("ssh-agent"), "-D", "-a", agent_socket, stdout=asyncio.subprocess.PIPE
    )
    assert agent.stdout is not None
    await agent.stdout.readline()  # it tells the socket's name when it is there
    monkeypatch.setenv("SSH_AUTH_SOCK", agent_socket)
    try:
        adding = await asyncio.create_subprocess_exec(
            program("ssh-add"), "-q", sshd.folder / "client"
        )
        assert await adding.wait() == 0
        async with bound(SshProvider(replace(sshd.settings(QUICK), key=None))) as listener:
            own, told = await visit(listener.addresses[0].port)
    finally:
        agent.terminate()
        await agent.communicate()

    assert own == told


async def test_a_closed_port_is_free_at_once(sshd: OpenSshServer, provider: SshProvider) -> None:
    """When wait_closed returns the port can be bound again, without a retry."""
    await sshd.start()
    async with bound(provider) as listener:
        endpoint = listener.addresses[0]
    for _ in range(10):
        async with bound(provider, endpoint):
            pass


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 10, 20, 30, 40, 60])
async def test_cancelled_at_any_point(
    sshd: OpenSshServer, provider: SshProvider, turns: int
) -> None:
    """A bind that is cancelled leaves no port on the server."""
    await sshd.start()
    endpoint = HERE.with_port(free_port())
    task = asyncio.create_task(provider.create_server(Namer, endpoint))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        listener = await task
        listener.close()
        await listener.wait_closed()

    async with bound(provider, endpoint):
        pass


# What sshd refuses


@pytest.mark.parametrize(
    "option", ["AllowTcpForwarding no", "AllowTcpForwarding local", "DisableForwarding yes"]
)
async def test_no_forwarding(sshd: OpenSshServer, option: str) -> None:
    """A server that forwards no ports says so in a debug message."""
    await sshd.start(option)

    error = await refusal(sshd)

    assert (error.code, error.hop) == (10050, "request")
    assert "AllowTcpForwarding" in error.hint


async def test_a_restricted_key(sshd: OpenSshServer, provider: SshProvider) -> None:
    """A key that may forward nothing is refused, and the diagnosis knows without asking."""
    keys = sshd.folder / "authorized_keys"
    keys.write_text(f"restrict {keys.read_text()}")
    await sshd.start()

    error = await refusal(sshd)
    hops = await provider.diagnose(HERE.with_port(free_port()))

    assert (error.code, error.hop) == (10050, "request")
    assert "restrict" in error.hint
    assert (hops[-1].ok, hops[-1].code) == (False, 10050)
    assert "so say the options of the key" in hops[-1].detail


async def test_the_documented_key_line(sshd: OpenSshServer, provider: SshProvider) -> None:
    """The line of authorized_keys in docs/ssh.md permits that port, and nothing else."""
    found = re.search(
        r"^(restrict,\S+) ssh-ed25519", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert found is not None
    endpoint = HERE.with_port(free_port())
    options = found[1].replace("127.0.0.1:2525", str(endpoint))
    keys = sshd.folder / "authorized_keys"
    keys.write_text(f"{options} {keys.read_text()}")
    await sshd.start()

    assert (await provider.diagnose(endpoint))[-1].ok
    async with bound(provider, endpoint) as listener:
        assert listener.addresses == (endpoint,)
    assert "PermitListen" in (await refusal(sshd, HERE.with_port(free_port()))).hint


async def test_another_port_is_permitted(sshd: OpenSshServer) -> None:
    """PermitListen that names other ports is told from a port that is taken."""
    await sshd.start("PermitListen 127.0.0.1:1")

    error = await refusal(sshd, HERE.with_port(free_port()))

    assert (error.code, error.hop) == (10050, "request")
    assert "PermitListen" in error.hint


async def test_the_very_port_is_permitted(sshd: OpenSshServer, provider: SshProvider) -> None:
    """PermitListen with the endpoint lets it be bound, and nothing else."""
    endpoint = HERE.with_port(free_port())
    await sshd.start(f"PermitListen {endpoint}")

    async with bound(provider, endpoint) as listener:
        assert listener.addresses == (endpoint,)
    assert "PermitListen" in (await refusal(sshd)).hint  # port 0


async def test_a_taken_port(sshd: OpenSshServer, provider: SshProvider) -> None:
    """A port that somebody holds there is 10048, and the diagnosis sees it, too."""
    await sshd.start()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        endpoint = HERE.with_port(sock.getsockname()[1])

        error = await refusal(sshd, endpoint)
        hops = await provider.diagnose(endpoint)

    assert (error.code, error.hop) == (10048, "bind")
    assert (hops[-1].ok, hops[-1].code) == (False, 10048)


async def test_an_address_that_it_has_not(sshd: OpenSshServer) -> None:
    """An address of somebody else's is no taken port."""
    await sshd.start("GatewayPorts clientspecified")

    error = await refusal(sshd, Endpoint.parse("192.0.2.1:0"))

    assert (error.code, error.hop) == (10050, "bind")
    assert "10049" in error.detail


async def test_a_wildcard_on_loopback(sshd: OpenSshServer, provider: SshProvider) -> None:
    """With GatewayPorts no, sshd says yes to 0.0.0.0 and binds loopback: hence the warning."""
    await sshd.start("GatewayPorts no")
    with all_said() as logs:
        async with bound(provider, ANYBODY) as listener:
            own, told = await visit(listener.addresses[0].port)

    assert own == told
    assert "loopback addresses" in logs[0]["event"]


async def test_a_diagnosis(sshd: OpenSshServer, provider: SshProvider) -> None:
    """Every hop is walked and timed; sshd tells its version."""
    await sshd.start()

    hops = await provider.diagnose(HERE.with_port(free_port()))

    assert [(hop.name, hop.ok) for hop in hops] == [
        ("resolve", True),
        ("connect", True),
        ("greeting", True),
        ("auth", True),
        ("bind", True),
    ]
    assert hops[2].detail.startswith("SSH-2.0-OpenSSH_")
    assert "nothing answers there now" in hops[4].detail


# Who may log in, and where


async def test_a_wrong_key(sshd: OpenSshServer) -> None:
    """A key that isn't in authorized_keys is refused."""
    await sshd.start()

    error = await refusal(sshd, key=sshd.make_key("wrong"))

    assert (error.code, error.hop) == (10050, "auth")
    assert "authorized_keys" in error.hint


async def test_a_user_who_may_not(sshd: OpenSshServer) -> None:
    """AllowUsers looks like a wrong key from outside; the hint names both."""
    await sshd.start("AllowUsers nobody-of-this-name")

    error = await refusal(sshd)

    assert error.hop == "auth"
    assert "AllowUsers" in error.hint


async def test_a_key_with_a_passphrase(sshd: OpenSshServer) -> None:
    """A key as ssh-keygen locks it can't be used, and that is what is said."""
    await sshd.start()

    error = await refusal(sshd, key=sshd.make_key("locked", passphrase="secret"))

    assert error.hop == "auth"
    assert "assphrase" in error.detail


async def test_an_unknown_host(sshd: OpenSshServer) -> None:
    """A host that isn't in known_hosts is not trusted; the fingerprint is ssh-keygen's."""
    await sshd.start()
    (sshd.folder / "known_hosts").write_text("")

    error = await refusal(sshd)

    fingerprint = sshd.keygen("-lf", sshd.folder / "host.pub").split()[1]
    assert "not known here" in error.detail
    assert fingerprint in error.detail


async def test_a_changed_host(sshd: OpenSshServer) -> None:
    """A host that shows another key than before is told from an unknown one."""
    await sshd.start()
    sshd.make_key("former")
    sshd.trust("former")

    error = await refusal(sshd)

    assert (error.code, error.hop) == (10050, "auth")
    assert "another than the one in known_hosts" in error.detail


async def test_a_hashed_known_host(sshd: OpenSshServer, provider: SshProvider) -> None:
    """A known_hosts as `ssh-keygen -H` makes it is as good."""
    await sshd.start()
    hosts = sshd.folder / "known_hosts"
    sshd.keygen("-q", "-H", "-f", hosts)
    assert "127.0.0.1" not in hosts.read_text()

    async with bound(provider) as listener:
        assert listener.state is ListenerState.LISTENING


async def test_nothing_listens(sshd: OpenSshServer) -> None:
    """An sshd that isn't there."""
    error = await refusal(sshd)

    assert (error.code, error.hop) == (10050, "connect")


async def test_a_stopped_server(sshd: OpenSshServer) -> None:
    """The kernel still accepts for a server that hangs; the login's time ends it."""
    await sshd.start()
    sshd.pause()

    error = await refusal(sshd, timing=replace(QUICK, login=0.2))

    assert (error.code, error.hop) == (10050, "greeting")
    assert "10060" in error.detail


async def test_too_many_logins_under_way(sshd: OpenSshServer) -> None:
    """MaxStartups turns a connection away; that is no other kind of server."""
    await sshd.start("MaxStartups 1")
    reader, writer = await asyncio.open_connection("127.0.0.1", sshd.address.port)
    await reader.readline()  # it is counted

    try:
        error = await refusal(sshd)
    finally:
        writer.close()
        await writer.wait_closed()

    assert (error.code, error.hop) == (10050, "greeting")
    assert "MaxStartups" in error.hint


# What happens later


Reports = asyncio.Queue[tuple[ListenerState, BindError | None]]


async def test_a_killed_login(sshd: OpenSshServer, provider: SshProvider) -> None:
    """When the login's process is killed, it is noticed, and the same port is bound again."""
    await sshd.start()
    reports: Reports = asyncio.Queue()
    async with bound(provider, report=lambda *report: reports.put_nowait(report)) as listener:
        port = listener.addresses[0].port
        sshd.signal_sessions(signal.SIGKILL)
        state, error = await reports.get()
        assert (state, error is not None and error.code) == (ListenerState.RETRYING, 10050)
        while (await reports.get())[0] is not ListenerState.LISTENING:
            pass
        own, told = await visit(port)

    assert own == told


async def test_a_login_that_hangs(sshd: OpenSshServer) -> None:
    """The port of a login that hangs is held until sshd misses it; so long it is retried."""
    await sshd.start()
    timing = replace(QUICK, keepalive=0.1, keepalive_count=1)
    provider = SshProvider(replace(sshd.settings(QUICK), timing=timing))
    reports: Reports = asyncio.Queue()
    async with bound(provider, report=lambda *report: reports.put_nowait(report)) as listener:
        sshd.signal_sessions(signal.SIGSTOP)
        hung = sshd.sessions()
        states = [await reports.get(), await reports.get()]
        for pid in hung:
            os.kill(pid, signal.SIGKILL)
        while (await reports.get())[0] is not ListenerState.LISTENING:
            pass
        own, told = await visit(listener.addresses[0].port)

    errors = [error for _, error in states]
    assert [state for state, _ in states] == [ListenerState.RETRYING] * 2
    assert [error.code for error in errors if error] == [10050, 10048]
    assert errors[0] is not None
    assert "10060" in errors[0].detail
    assert own == told


# The documentation


def test_the_documented_configuration(
    sshd_files: OpenSshServer, program: Callable[[str], Path]
) -> None:
    """The sshd_config of docs/ssh.md is one that sshd takes."""
    found = re.search(r"```sshdconfig\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    config = sshd_files.folder / "documented"
    config.write_text(f"HostKey {sshd_files.folder}/host\n{found[1]}")
    make_privilege_folder()

    checked = subprocess.run(
        [program("sshd"), "-t", "-f", config], capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stderr) == (0, "")
