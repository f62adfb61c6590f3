"""What works through OpenSSH's own server: mail, many peers, IPv6, a key of the agent."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Listener as ListenerSettings
from bindpost.config.model import Settings, Tls
from bindpost.proxy.local import free_port
from bindpost.proxy.ssh.listener import SshListener
from bindpost.proxy.ssh.openssh import OpenSshServer
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.server.message.model import new_id
from bindpost.server.smtp.service import Resources, session_factory
from bindpost.server.smtp.sessions import Sessions
from bindpost.server.store.memory import MemoryStore

from .bench import HERE, QUICK, Namer, bound, visit


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
