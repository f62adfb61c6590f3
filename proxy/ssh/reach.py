"""A self-test's way to a port that an SSH server has bound: the server itself connects there."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Final, final

import asyncssh

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError

from ..provider import Call, Finding, UnreachedError
from .connection import Answers, SshConnection
from .dial import Walk, dial
from .failures import Failures, printable
from .settings import SshSettings

_SHARE: Final = 0.5
"""Part of the time that the connection itself may take; the rest is for finding out more."""


@final
class ChannelStream:
    """The peer's side of a connection that the SSH server has made; the login is its own."""

    def __init__(
        self,
        connection: SshConnection,
        reader: asyncssh.SSHReader[bytes],
        writer: asyncssh.SSHWriter[bytes],
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._writer = writer

    async def read(self, limit: int) -> bytes:
        """Give what has come; nothing at the end. Raises `OSError`."""
        try:
            return await self._reader.read(limit)
        except asyncssh.Error as error:
            raise ConnectionResetError(str(error)) from None

    def write(self, data: bytes) -> None:
        """Send data."""
        self._writer.write(data)

    async def close(self) -> None:
        """Hang up and log out; returns when the login's socket is gone."""
        await self._connection.close()


async def reach(settings: SshSettings, address: Endpoint, *, seconds: float) -> Call:
    """Log in once more, and have the server connect there. Raises `UnreachedError`."""
    until = asyncio.get_running_loop().time() + seconds
    failures = Failures(settings=settings, endpoint=address)
    try:
        async with asyncio.timeout_at(until):
            connection = await dial(settings, failures, Walk())
    except (BindError, TimeoutError) as error:
        reason = error.detail if isinstance(error, BindError) else "no answer in time"
        raise UnreachedError(failures.find("no-second-login", reason)) from None
    # Peers dial what the host's name means here; over there it may mean loopback.
    host = connection.address if address.host == settings.host else address.host
    try:
        stream = await _connect(connection, Endpoint(host, address.port), failures, until)
    except BaseException:
        await connection.close()
        raise
    return Call(stream=stream, silent=failures.find("never-opened"), name=_name(host))


def _name(dialled: str) -> Endpoint | None:
    """
    Give the address from which a machine dials one of its own: that very address.

    Of 127.0.0.0/8 it is 127.0.0.1 on Linux. The port is not known.
    """
    try:
        own = ip_address(dialled)
    except ValueError:
        return None
    return Endpoint("127.0.0.1" if own.version == 4 and own.is_loopback else dialled, 0)


async def _connect(
    connection: SshConnection, address: Endpoint, failures: Failures, until: float
) -> ChannelStream:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout((until - loop.time()) * _SHARE):
            streams = await connection.connect(address.host, address.port)
    except asyncssh.ChannelOpenError as error:
        if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
            raise UnreachedError(failures.find("no-connect")) from None
        reason = printable(error.reason)
    except TimeoutError:
        reason = "no answer in time"
    except asyncssh.Error as error:
        raise UnreachedError(failures.find("no-second-login", printable(str(error)))) from None
    else:
        return ChannelStream(connection, *streams)
    raise UnreachedError(await _closer_look(connection, address, failures, until, reason))


async def _closer_look(
    connection: SshConnection, address: Endpoint, failures: Failures, until: float, reason: str
) -> Finding:
    """Find out where the port is open, since it isn't where it should be."""
    for loopback, key in (("127.0.0.1", "loopback-only"), ("::1", "ipv6-only")):
        try:
            async with asyncio.timeout_at(until):
                answer = await connection.probe(loopback, address.port)
        except TimeoutError:
            break
        if answer is Answers.YES:
            return failures.find(key, reason)
    return failures.find("unreached", reason)
