"""An SSH server in this process that binds ports as sshd does, for tests and labs."""

from __future__ import annotations

import asyncio
from enum import Enum
from pathlib import Path
from typing import Final, Self

import asyncssh

from bindpost.config.endpoint import Endpoint

from .settings import SshSettings, Timing

VERSION: Final = "OpenSSH_9.2p1 bindpost-stand-in"
DISABLED: Final = "Server has disabled port forwarding."
NOT_PERMITTED: Final = "port forwarding refused"
OVERRIDDEN: Final = 'Forwarding listen address "{}" overridden by server GatewayPorts'
"""sshd's debug messages, as OpenSSH 9.2 sends them."""


class Answer(Enum):
    """How the server takes a request to listen."""

    LISTEN = "it binds the port, if it is free"
    DISABLED = "AllowTcpForwarding no"
    NOT_PERMITTED = "PermitListen names other ports"
    IN_USE = "the bind fails, and the protocol gives no reason"
    SILENT = "it never answers"
    HANG_UP = "it ends the connection"


class SshStandIn:
    """
    An SSH server on loopback with a key of its own, for one client key.

    `answer` decides what becomes of a request, `logins` counts, `drop()` ends every connection as
    if sshd's processes were killed. `version` is what it calls itself. It connects to 127.0.0.1 for
    its clients, where everything is bound, and to nothing else; with `connects` false, as under
    `AllowTcpForwarding remote`, it says that it may not.
    """

    def __init__(self, *, version: str = VERSION) -> None:
        self.answer = Answer.LISTEN
        self.gateway_ports_yes = False
        self.connects = True
        self.logins = 0
        self.requests: list[tuple[str, int]] = []
        self.address = Endpoint("127.0.0.1", 0)
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._version = version
        self._asked = asyncio.Event()
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._acceptor: asyncssh.SSHAcceptor | None = None

    @classmethod
    async def start(cls, *, version: str = VERSION) -> Self:
        """Start a server on a free port of 127.0.0.1."""
        standin = cls(version=version)
        await standin.listen()
        return standin

    async def listen(self, certificate: asyncssh.SSHCertificate | None = None) -> None:
        """
        Accept connections, on the same port as before if there was one.

        With a certificate for its host key it shows that one.
        """
        self._acceptor = await asyncssh.listen(
            self.address.host,
            self.address.port,
            config=None,
            server_factory=lambda: _Server(self),
            server_host_keys=[(self.host_key, certificate)],
            server_version=self._version,
            # Keys only: the user's name doesn't matter.
            authorized_client_keys=asyncssh.import_authorized_keys(
                self.client_key.export_public_key().decode()
            ),
        )
        self.address = self.address.with_port(self._acceptor.get_port())

    @property
    def known_hosts_line(self) -> str:
        """What to put into known_hosts."""
        key = self.host_key.export_public_key().decode()
        return f"[{self.address.host}]:{self.address.port} {key}"

    def settings(self, folder: Path, timing: Timing | None = None) -> SshSettings:
        """Write key and known_hosts into a folder; gives settings with which a login works."""
        key, known_hosts = folder / "client_key", folder / "known_hosts"
        self.client_key.write_private_key(key)
        known_hosts.write_text(self.known_hosts_line, encoding="utf-8")
        return SshSettings(
            host=self.address.host,
            port=self.address.port,
            user="mail",
            key=key,
            known_hosts=known_hosts,
            timing=timing or Timing(),
        )

    def drop(self) -> None:
        """End every connection without a word."""
        for connection in tuple(self._connections):
            connection.abort()

    async def stop(self) -> None:
        """Accept no more, and drop what there is."""
        if self._acceptor is not None:
            self._acceptor.close()
            self.drop()
            await self._acceptor.wait_closed()
            self._acceptor = None
        await self.deserted()

    async def asked(self) -> None:
        """Return when there was a request to listen since the last time."""
        await self._asked.wait()
        self._asked.clear()

    async def deserted(self) -> None:
        """Return when all connections that there are now have ended."""
        for connection in tuple(self._connections):
            await connection.wait_closed()

    def note_request(self, host: str, port: int) -> None:
        """Note a request to listen."""
        self.requests.append((host, port))
        self._asked.set()

    def joined(self, connection: asyncssh.SSHServerConnection) -> None:
        """Note a connection."""
        self._connections.add(connection)

    def left(self, connection: asyncssh.SSHServerConnection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)


class _Server(asyncssh.SSHServer):
    """One connection of the stand-in."""

    def __init__(self, standin: SshStandIn) -> None:
        self._standin = standin
        self._connection: asyncssh.SSHServerConnection

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._standin.joined(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._standin.left(self._connection)

    def auth_completed(self) -> None:
        self._standin.logins += 1

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        del dest_port, orig_host, orig_port
        if not self._standin.connects:
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed"
            )
        return dest_host == "127.0.0.1"

    async def server_requested(
        self, listen_host: str, listen_port: int
    ) -> asyncssh.SSHListener | bool:
        self._standin.note_request(listen_host, listen_port)
        match self._standin.answer:
            case Answer.DISABLED:
                self._connection.send_debug(DISABLED)
                return False
            case Answer.NOT_PERMITTED:
                self._connection.send_debug(NOT_PERMITTED)
                return False
            case Answer.IN_USE:
                return False
            case Answer.SILENT:
                await self._connection.wait_closed()
                return False
            case Answer.HANG_UP:
                self._connection.abort()
                return False
        if self._standin.gateway_ports_yes:
            self._connection.send_debug(OVERRIDDEN.format(listen_host))
        # Whatever is asked for, nothing but loopback is bound.
        return await self._connection.forward_local_port(
            "127.0.0.1", listen_port, listen_host, listen_port
        )
