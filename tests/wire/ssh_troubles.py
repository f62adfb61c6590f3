"""What can be wrong with an ssh path: what stands in the server's place, and bad settings."""

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
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.settings import SshSettings, Timing
from bindpost.proxy.ssh.standin import VERSION, Answer, SshStandIn

from .dead_ports import closed_port, full_port

HERE = Endpoint.parse("127.0.0.1:0")
HASTY = Timing(login=0.5)
"""For what never answers."""


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
    with closed_port() as place:
        yield Case(SshSettings(host=place.host, port=place.port))


@asynccontextmanager
async def black_hole(_folder: Path) -> AsyncIterator[Case]:
    """A port whose packets are dropped."""
    with full_port() as place:
        yield Case(SshSettings(host=place.host, port=place.port, timing=Timing(connect=1.0)))


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
