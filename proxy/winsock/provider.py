"""The bind provider of the Winsock Proxy: decides like the Proxy Client, binds there or here."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import WinsockPath
from bindpost.config.redact import redact
from bindpost.errors import BindError, ConfigError

from .. import advice, wsa
from ..binding import BACKLOG
from ..bindpath import BindPath, Direction, decide
from ..direct import DirectProvider
from ..provider import Hop, Listener, ProtocolFactory, Report
from .channel import ControlChannel, Timing
from .client_config import CONTROL_PORT, ClientConfig, load_client_config
from .dial import Dialer
from .failures import Failures
from .listener import Announcements, RemoteListener
from .policy import bind_rules
from .ranges import parse_port
from .wire import Address

SCHEME: Final = "winsock"
APPLICATION: Final = "msexcimc"
"""Name of the Internet Mail Service's program, and so of its section."""
GRACE: Final = 0.1
"""Seconds that a connection from the proxy's address is held while its notice may be on its way."""
FREE_PORT_TRIES: Final = 8
"""Local ports tried for port 0, when the proxy says that a number is taken there."""


class WinsockProvider:
    """
    Binds as a program does on a machine with the Proxy Client of Proxy Server 2.0.

    `config` and `application` decide, with `enabled`, the box in the client's control panel. A
    local bind sends nothing to the proxy. `warnings` are sentences about the files.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        application: str = APPLICATION,
        enabled: bool = True,
        timing: Timing | None = None,
        grace: float = GRACE,
    ) -> None:
        self.warnings = config.warnings
        self._rules = bind_rules(config, application, enabled=enabled)
        self._grace = grace
        self._identity = (config, application, enabled, timing or Timing(), grace)
        self._local = DirectProvider()
        self._dialer = Dialer(
            servers=config.servers_for(application),
            port=config.control_port,
            timing=timing or Timing(),
            executable=f"{application.upper()}.EXE".encode("ascii", "replace").decode(),
            ipx_only=bool(config.ipx_servers),
        )

    @classmethod
    def from_url(cls, url: str) -> Self:
        """
        Read `winsock://HOST[:PORT]`: an enabled client that binds every port on that server.

        Raises `ConfigError`.
        """
        host, port = _parse_url(url)
        origin = f"{SCHEME}://{host}:{port}"
        return cls(ClientConfig.for_server(host, port, application=APPLICATION, origin=origin))

    @classmethod
    def from_table(cls, name: str, table: WinsockPath, folder: Path) -> Self:
        """
        Read a `[path.NAME]` table and its files; relative file names are relative to `folder`.

        Raises `ConfigError` that names file, line and key.
        """
        config = load_client_config(
            mspclnt=folder / table.mspclnt if table.mspclnt else None,
            wspcfg=folder / table.wspcfg if table.wspcfg else None,
            lat=[folder / lat for lat in table.lat],
        )
        if table.server:
            host, port = _parse_server(f"path.{name}.server", table.server, config.control_port)
            config = replace(config, servers=(host,), control_port=port)
        return cls(
            config,
            application=table.application,
            enabled=table.enabled,
            timing=Timing(tries=table.tries, interval=table.interval),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WinsockProvider) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self.url)  # sections have mappings in them

    @property
    def url(self) -> str:
        """The bind path as a URL; there are no credentials in it."""
        servers = self._dialer.servers
        return f"{SCHEME}://{servers[0]}:{self._dialer.port}" if servers else f"{SCHEME}:"

    def decide(self, endpoint: Endpoint) -> BindPath:
        """Say which path a bind takes and by which rule; asks nobody."""
        return decide(endpoint, self._rules)

    async def decision(self, endpoint: Endpoint) -> BindPath:
        """Decide as a bind does, with the address in place of a host name."""
        return self.decide(await _with_address(endpoint))

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        *,
        ssl: ssl.SSLContext | None = None,
        report: Report | None = None,
    ) -> Listener:
        """
        Bind and listen where the configuration says; FAILED is reported when the proxy is lost.

        Raises `BindError`: 10050 when the proxy path cannot be used, 10048 when the port is taken
        on the proxy, a local bind's own code otherwise.
        """
        path = await self.decision(endpoint)
        if path.direction is Direction.REMOTE:
            return await self._create_remote(protocol_factory, endpoint, path, ssl, report)
        if path.direction is Direction.OPEN:
            await self._greet_only(endpoint, _callback(path), [])
        return await self._local.create_server(protocol_factory, endpoint, ssl=ssl, report=report)

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """
        Tell the decision, walk to the proxy if it is asked at all, tell what `serve` would do.

        Whether the port is free on the proxy is not known before it is bound there.
        """
        address = await _with_address(endpoint)
        path = self.decide(address)
        hops = [
            Hop("decision", str(endpoint), True, f"{path.direction}: {path.rule} ({path.source})")
        ]
        try:
            if path.direction is not Direction.LOCAL:
                await self._greet_only(endpoint, _callback(path), hops)
        except BindError:
            pass  # it is the last of the hops
        else:
            remote = path.direction is Direction.REMOTE
            hops += await self._local.diagnose(address if remote else endpoint)
        hops.append(self._foresee(path, endpoint, hops))
        return hops

    def _foresee(self, path: BindPath, endpoint: Endpoint, hops: list[Hop]) -> Hop:
        """Say what `serve` would do after these hops."""
        code = next((hop.code for hop in hops if hop.ok is False), None)
        if code is not None:
            event = f"would log event 4007 with {code} ({wsa.name_of(code)})"
            return Hop("serve", str(endpoint), None, event)
        outcome = "would bind on this machine"
        if path.direction is Direction.REMOTE:
            outcome += f" and ask {self.url} for the same port"
        return Hop("serve", str(endpoint), True, outcome)

    async def _greet_only(self, endpoint: Endpoint, local_host: str, hops: list[Hop]) -> None:
        """Greet the proxy and take leave; raises `BindError`."""
        channel = await self._dialer.dial(
            self._failures(endpoint), hops, local_host=local_host, on_notice=_ignore
        )
        channel.close()
        await channel.wait_closed()

    async def _create_remote(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        path: BindPath,
        tls: ssl.SSLContext | None,
        report: Report | None,
    ) -> Listener:
        failures = self._failures(endpoint)
        announcements = Announcements(self._grace)
        channel = await self._dialer.dial(
            failures, [], local_host=_callback(path), on_notice=announcements.add
        )
        sock = None
        try:
            sock, external = await _bind_both(channel, path.endpoint, failures)
            await channel.listen(sock.getsockname()[1], external)
        except BaseException:
            if sock is not None:
                sock.close()
            channel.close()
            await channel.wait_closed()
            raise
        return RemoteListener(
            protocol_factory=protocol_factory,
            channel=channel,
            sock=sock,
            announcements=announcements,
            external=external,
            via=self.url,
            tls=tls,
            report=report,
        )

    def _failures(self, endpoint: Endpoint) -> Failures:
        return Failures(endpoint=str(endpoint), path=self.url)


async def _bind_both(
    channel: ControlChannel, address: Endpoint, failures: Failures
) -> tuple[socket.socket, Address]:
    """Bind the same port here and on the proxy; for port 0 try numbers until both have one free."""
    tries = 1 if address.port else FREE_PORT_TRIES
    while True:
        try:
            sock = _bind_local(address)
        except OSError as error:
            hint = await asyncio.to_thread(advice.hint, wsa.code_of(error), address)
            raise failures.local(error, hint) from None
        try:
            return sock, await channel.bind(sock.getsockname()[1])
        except BindError as error:
            sock.close()
            tries -= 1
            if error.code != wsa.EADDRINUSE or not tries:
                raise
        except BaseException:
            sock.close()
            raise


def _bind_local(address: Endpoint) -> socket.socket:
    """Make the local half of a remote bind, listening before the proxy can connect to it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        if os.name == "posix":  # elsewhere it would let others take the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address.host, address.port))
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


async def _with_address(endpoint: Endpoint) -> Endpoint:
    """Put the IPv4 address in place of a host name, because rules are about addresses."""
    if endpoint.is_unix or _is_address(endpoint.host):
        return endpoint
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(endpoint.host, None, family=socket.AF_INET)
    except (OSError, UnicodeError):
        return endpoint  # whoever binds it says what is wrong with it
    return Endpoint(str(found[0][4][0]), endpoint.port)


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _callback(path: BindPath) -> str:
    """Give the address that the proxy will connect back to, empty if any will do."""
    host = path.endpoint.host
    if path.direction is not Direction.REMOTE or not _is_address(host):
        return ""
    return "" if ip_address(host).is_unspecified else host


def _ignore(notice: object) -> None:
    """Take no notice: nothing was bound."""
    del notice


def _parse_url(url: str) -> tuple[str, int]:
    """Read host and port of a `winsock:` URL; raises `ConfigError` that shows no password."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError("via", f'"{redact(url)}": {error}') from None
    if "@" in parts.netloc:
        raise ConfigError(
            "via",
            f'"{redact(url)}" has a user name',
            hint="bindpost logs in to no Winsock Proxy; leave it out",
        )
    if parts.scheme != SCHEME or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ConfigError("via", f'"{redact(url)}" is not {SCHEME}://HOST[:PORT]')
    return _parse_server("via", parts.netloc, CONTROL_PORT)


def _parse_server(key: str, text: str, default_port: int) -> tuple[str, int]:
    """Read `HOST` or `HOST:PORT`; raises `ConfigError`."""
    host, colon, port_text = text.partition(":")
    if ":" in port_text or "[" in host:
        raise ConfigError(key, f"{text!r}: the Winsock Proxy speaks IPv4 only")
    if not host or any(letter.isspace() or letter in "/\\@" for letter in host):
        raise ConfigError(key, f"{text!r} names no host", hint="write HOST or HOST:PORT")
    try:
        port = parse_port(port_text) if colon else default_port
    except ValueError as error:
        raise ConfigError(key, f"{text!r}: {error}") from None
    if port == 0:
        raise ConfigError(key, f"{text!r}: 0 is no port to send to")
    return host, port
