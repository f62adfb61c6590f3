"""Ssh servers and logins that the matrix does not show: odd bytes, odd names, other proofs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from bindpost.proxy.provider import ListenerState
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.settings import SshSettings
from bindpost.proxy.ssh.standin import SshStandIn

from ..fixtures import quiet_home as quiet_home
from .ssh_troubles import HERE, bind, server


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
