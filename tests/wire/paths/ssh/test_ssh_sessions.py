"""A listener bound through the stand-in SSH server: who connects, and what is left."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.provider import ListenerState
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.settings import Timing
from bindpost.proxy.ssh.standin import Answer, SshStandIn
from bindpost.testing.logged import all_said

from .bench import HERE, MEGABYTE, Bind, Log, Session, connect


async def test_a_session_knows_who_is_there(bind: Bind, log: Log, provider: SshProvider) -> None:
    """Peer, bound address and path are told; the SSH connection's own socket is not."""
    listener = await bind()
    peer = await connect(listener)
    await peer.ask(b"hello")
    tell = log.sessions[0].transport.get_extra_info

    assert tell("peername") == peer.writer.get_extra_info("sockname")
    assert tell("sockname") == ("127.0.0.1", listener.addresses[0].port)
    assert tell("via") == provider.url
    assert tell("socket") is None
    await peer.close()


async def test_the_users_own_files_are_the_default(
    standin: SshStandIn, log: Log, tmp_path: Path
) -> None:
    """A URL alone is enough where ~/.ssh has the server's key and the user's."""
    own = tmp_path / ".ssh"
    own.mkdir()
    (own / "known_hosts").write_text(standin.known_hosts_line)
    standin.client_key.write_private_key(own / "id_ed25519")
    provider = SshProvider.from_url(f"ssh://mail@{standin.address}")
    listener = await provider.create_server(log.session, HERE)

    assert listener.state is ListenerState.LISTENING
    listener.close()
    await listener.wait_closed()


async def test_many_peers_at_once(bind: Bind, log: Log, standin: SshStandIn) -> None:
    """64 peers connect together; none is lost and each session knows its own, in one login."""
    listener = await bind()
    peers = await asyncio.gather(*(connect(listener) for _ in range(64)))
    answers = await asyncio.gather(*(peer.ask(b"who") for peer in peers))

    assert [answer.decode() for answer in answers] == [peer.name for peer in peers]
    assert standin.logins == 1
    for peer in peers:
        await peer.close()


async def test_a_peer_that_sends_too_much_is_held_up(bind: Bind, log: Log) -> None:
    """While a session has paused reading, its peer's data waits; then all of it comes."""
    listener = await bind()
    flooding, other = await connect(listener), await connect(listener)
    await flooding.ask(b"hello")
    session = log.sessions[0]
    session.transport.pause_reading()
    log.received = 0
    sock = flooding.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    flooding.writer.write(bytes(16 * MEGABYTE))
    for _ in range(100):  # of the same login: what is not held up would have come meanwhile
        await other.ask(b"x")

    assert log.received == 100
    assert cast("asyncio.Transport", flooding.writer.transport).get_write_buffer_size() > 0
    session.transport.resume_reading()
    assert len(await flooding.reader.readexactly(16 * MEGABYTE)) == 16 * MEGABYTE
    await flooding.close()
    await other.close()


class Pouring(asyncio.Protocol):
    """Writes 4 MB and closes at once; counts the pauses it was asked for."""

    def __init__(self) -> None:
        self.pauses = 0
        self.lost: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pour."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(bytes(4 * MEGABYTE))
        self.transport.close()

    def pause_writing(self) -> None:
        """Count."""
        self.pauses += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """Note whether it was an orderly end."""
        self.lost.set_result(exc is None)


async def test_close_flushes(bind: Bind) -> None:
    """What was written before close() arrives, however slowly the peer reads."""
    made: list[Pouring] = []

    def pouring() -> Pouring:
        made.append(Pouring())
        return made[-1]

    listener = await bind(pouring)
    peer = await connect(listener)

    assert len(await peer.reader.read()) == 4 * MEGABYTE
    assert await made[0].lost
    assert made[0].pauses == 1
    await peer.close()


async def test_abort_ends_the_peers_connection(bind: Bind, log: Log) -> None:
    """abort() is seen by the peer, and told to the session once."""
    listener = await bind()
    peer = await connect(listener)
    await peer.ask(b"hello")
    log.sessions[0].transport.abort()

    with suppress(ConnectionResetError):
        assert await peer.reader.read() == b""
    await log.ended.wait()
    assert log.ends == [None]
    await peer.close()


async def test_a_peer_that_hangs_up_ends_its_session(bind: Bind, log: Log) -> None:
    """The end of the peer's connection is the end of the session, in good order."""
    listener = await bind()
    peer = await connect(listener)
    await peer.ask(b"hello")
    await peer.close()
    await log.ended.wait()

    assert log.ends == [None]


async def test_a_session_that_cannot_be_made(bind: Bind, log: Log) -> None:
    """A failing factory costs its own peer the connection, and nobody else anything."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    outcomes: list[Callable[[], Session]] = [lambda: log.sessions[99], log.session]
    listener = await bind(lambda: outcomes.pop(0)())
    refused = await connect(listener)
    with suppress(ConnectionResetError):
        assert await refused.reader.read() == b""
    served = await connect(listener)

    assert await served.ask(b"hello") == b"hello"
    assert isinstance(found[0]["exception"], IndexError)
    await refused.close()
    await served.close()


async def test_close_leaves_a_session_its_login(bind: Bind, log: Log, standin: SshStandIn) -> None:
    """The login lives as long as its last session, and not longer."""
    listener = await bind()
    first, second = await connect(listener), await connect(listener)
    await first.ask(b"hello")
    await second.ask(b"hello")
    listener.close()
    await listener.wait_closed()

    with pytest.raises(ConnectionRefusedError):
        await connect(listener)
    await first.close()
    assert await second.ask(b"still here") == b"still here"
    await second.close()
    await listener.deserted()
    await standin.deserted()


async def test_close_without_a_session_ends_the_login(bind: Bind, standin: SshStandIn) -> None:
    """When wait_closed returns and no session lives, the login has ended too."""
    listener = await bind()
    listener.close()
    await listener.wait_closed()

    await standin.deserted()


async def test_cancelled_while_the_server_thinks(
    standin: SshStandIn, tmp_path: Path, log: Log
) -> None:
    """A bind that is cancelled during the request ends the login."""
    standin.answer = Answer.SILENT
    provider = SshProvider(standin.settings(tmp_path, Timing(unlisten=0.01)))
    task = asyncio.create_task(provider.create_server(log.session, HERE))
    await standin.asked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await standin.deserted()


async def test_two_listeners_of_one_provider(bind: Bind, standin: SshStandIn) -> None:
    """Each has a login of its own, so that one may end without the other."""
    one, other = await bind(), await bind()
    one.close()
    await one.wait_closed()
    peer = await connect(other)

    assert await peer.ask(b"hello") == b"hello"
    assert standin.logins == 2
    await peer.close()


async def test_a_wildcard_is_warned_of(provider: SshProvider, log: Log) -> None:
    """Nobody can see from here whether sshd has bound more than loopback, so that is said."""
    with all_said() as logs:
        listener = await provider.create_server(log.session, Endpoint.parse("0.0.0.0:0"))
    listener.close()
    await listener.wait_closed()

    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert "GatewayPorts clientspecified" in logs[0]["hint"]
    assert logs[0]["via"] == provider.url
    assert listener.addresses[0].host == provider.settings.host


async def test_a_wider_bind_is_warned_of(
    provider: SshProvider, log: Log, standin: SshStandIn
) -> None:
    """sshd with GatewayPorts yes binds every address where loopback was asked for, and says so."""
    standin.gateway_ports_yes = True
    with all_said() as logs:
        listener = await provider.create_server(log.session, HERE)
    listener.close()
    await listener.wait_closed()

    assert "every address in place of 127.0.0.1" in logs[0]["event"]


async def test_loopback_is_not_warned_of(provider: SshProvider, log: Log) -> None:
    """Where there is nothing to doubt, nothing is said."""
    with all_said() as logs:
        listener = await provider.create_server(log.session, HERE)
    listener.close()
    await listener.wait_closed()

    assert logs == []
