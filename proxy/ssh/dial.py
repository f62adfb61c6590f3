"""Logs in at an SSH server, and can tell how each step went."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import asyncssh

from bindpost.errors import BindError

from ..provider import Hop, failed_hop
from .connection import SshClient, SshConnection
from .failures import Failures, Progress
from .hostkeys import KnownHost
from .settings import SshSettings
from .wire import Tunnel, Wire

SocketAddress = tuple[str, int] | tuple[str, int, int, int]


class Walk:
    """Notes each step of a path, with the time that it took."""

    def __init__(self) -> None:
        self.hops: list[Hop] = []
        self._since = time.perf_counter()

    def passed(self, name: str, target: str, detail: str, *, at: float | None = None) -> None:
        """Note a step that went well, now or at another reading of `time.perf_counter`."""
        self.hops.append(Hop(name, target, True, detail, self._lap(at)))

    def failed(self, error: BindError, target: str) -> None:
        """Note the step that an error names."""
        self.hops.append(failed_hop(error, target, self._lap()))

    def _lap(self, at: float | None = None) -> float:
        """Give the milliseconds since the last step."""
        now = time.perf_counter() if at is None else at
        lap, self._since = (now - self._since) * 1000, now
        return lap


@dataclass(frozen=True, slots=True)
class _Credentials:
    """What was read from files before anything was sent."""

    key_pairs: Sequence[asyncssh.SSHKeyPair]
    password: str | None


async def dial(settings: SshSettings, failures: Failures, walk: Walk) -> SshConnection:
    """
    Log in; each step that was walked is noted.

    Raises `BindError`; then, and when cancelled, nothing is left open.
    """
    target = settings.host
    try:
        credentials = await asyncio.to_thread(_read_credentials, settings, failures)
        addresses = await _resolve(settings, failures)
        walk.passed("resolve", target, ", ".join(address[0] for address in addresses))
        target = settings.server
        sock = await _connect(addresses, settings, failures)
        try:
            address = sock.getpeername()[0]
            walk.passed("connect", target, f"connected to {address}")
            known = await asyncio.to_thread(_read_known, settings, address, failures)
        except BaseException:
            sock.close()
            raise
        return await _log_in(sock, address, settings, credentials, known, failures, walk)
    except BindError as error:
        walk.failed(error, settings.login if error.hop == "auth" else target)
        raise


def _read_credentials(settings: SshSettings, failures: Failures) -> _Credentials:
    """Read key and password file; blocks."""
    try:
        key_pairs = asyncssh.load_keypairs(str(settings.key)) if settings.key else ()
        return _Credentials(key_pairs, _first_line(settings.password_file))
    except (OSError, ValueError) as error:  # asyncssh.KeyImportError is a ValueError
        raise failures.credentials(error) from None


def _first_line(file: Path | None) -> str | None:
    if file is None:
        return None
    lines = file.read_text(encoding="utf-8").splitlines()
    if not lines or not lines[0]:
        raise ValueError(f"{file}: its first line is empty")
    return lines[0]


def _read_known(settings: SshSettings, address: str, failures: Failures) -> KnownHost:
    """Look the server up in known_hosts; blocks."""
    try:
        return KnownHost.read(settings.known_hosts, settings.host, address, settings.port)
    except (OSError, ValueError) as error:
        raise failures.known_hosts(error) from None


async def _resolve(settings: SshSettings, failures: Failures) -> list[SocketAddress]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(settings.timing.connect):
            found = await loop.getaddrinfo(
                settings.host, settings.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
            )
    except (OSError, UnicodeError) as error:
        raise failures.resolving(error) from None
    return [cast("SocketAddress", address) for *_, address in found]


async def _connect(
    addresses: Sequence[SocketAddress], settings: SshSettings, failures: Failures
) -> socket.socket:
    """Connect to the first address that takes it."""
    loop = asyncio.get_running_loop()
    errors: list[tuple[str, OSError]] = []
    for address in addresses:
        family = socket.AF_INET6 if len(address) == 4 else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        except OSError as error:
            errors.append((address[0], error))
            continue
        try:
            sock.setblocking(False)
            async with asyncio.timeout(settings.timing.connect):
                await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            errors.append((address[0], error))
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise failures.connecting(errors)


async def _log_in(
    sock: socket.socket,
    address: str,
    settings: SshSettings,
    credentials: _Credentials,
    known: KnownHost,
    failures: Failures,
    walk: Walk,
) -> SshConnection:
    """Let asyncssh log in over a connected socket, and close that if it fails."""
    progress = Progress()
    client = SshClient(known, progress)
    wire = Wire(sock, progress)
    try:
        connection = await asyncssh.connect(
            settings.host,
            settings.port,
            tunnel=Tunnel(wire),
            client_factory=lambda: client,
            **_options(settings, credentials, known),
        )
    except (asyncssh.Error, OSError, ValueError) as error:
        await wire.close()
        refusal = failures.login(error, progress)
        if progress.version and refusal.hop != "greeting":
            walk.passed("greeting", settings.server, progress.version, at=progress.heard_at)
        raise refusal from None
    except BaseException:
        await wire.close()
        raise
    client.note_version()
    walk.passed("greeting", settings.server, progress.version, at=progress.heard_at)
    walk.passed("auth", settings.login, f"logged in; host key {progress.fingerprint}")
    return SshConnection(
        connection,
        client,
        wire,
        address=address,
        version=progress.version,
        timing=settings.timing,
    )


def _options(settings: SshSettings, credentials: _Credentials, known: KnownHost) -> dict[str, Any]:
    """Give asyncssh's options; what is not said here must not come from a file either."""
    timing = settings.timing
    options: dict[str, Any] = {
        "config": None,
        # The client judges plain keys itself. Empty, this would mean the default file.
        "known_hosts": lambda host, addr, port: ([], [], known.revoked, [], [], [], []),
        "username": settings.user or (),
        "login_timeout": timing.login,  # there is no connect_timeout: it is connected already
        "keepalive_interval": timing.keepalive,
        "keepalive_count_max": timing.keepalive_count,
        "x509_trusted_certs": None,  # else those in ~/.ssh would be trusted beside known_hosts
        "gss_host": None,
        "preferred_auth": ["publickey"],
        "agent_path": () if settings.agent and not credentials.key_pairs else None,
    }
    if credentials.key_pairs:
        options["client_keys"] = credentials.key_pairs
    if credentials.password is not None:
        options["password"] = credentials.password
        options["preferred_auth"] += ["keyboard-interactive", "password"]
    if known.algorithms is not None:
        options["server_host_key_algs"] = known.algorithms
    return options
