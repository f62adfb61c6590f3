"""The bind provider of the Winsock Proxy: decides like the Proxy Client, binds there or here."""

from __future__ import annotations

import asyncio
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

from .. import wsa
from ..bindpath import BindPath, Direction, decide
from ..direct import DirectProvider
from ..provider import Call, Hop, Listener, ProtocolFactory, Report, failed_hop
from .announcements import Announcements
from .binder import Binder
from .channel import Timing
from .client_config import CONTROL_PORT, Application, ClientConfig, load_client_config
from .dial import Dialer
from .failures import Failures
from .listener import RemoteListener
from .ntlm import Credentials, read_credentials, require
from .policy import bind_rules
from .ranges import parse_port
from .reach import reach

SCHEME: Final = "winsock"
APPLICATION: Final = "msexcimc"
"""Name of the Internet Mail Service's program, and so of its section."""
GRACE: Final = 0.1
"""Seconds that a connection from the proxy's address is held while its notice may be on its way."""


_IN_WORDS: Final = {
    Direction.LOCAL: "it is bound on this machine, and the proxy is not asked",
    Direction.REMOTE: "it is bound on the proxy and on this machine",
    Direction.REFUSED: "it belongs on the proxy, but there is none that IP reaches",
    Direction.OPEN: "it is bound on this machine, once a proxy has answered",
}


class WinsockProvider:
    """
    Binds as a program does on a machine with the Proxy Client of Proxy Server 2.0.

    `config` and `application` decide, with `enabled`, the box in the client's control panel. A
    local bind sends nothing to the proxy. `credentials` log in if the application's section says
    ForceCredentials=1, which needs pyspnego. `warnings` are sentences about the files.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        application: str = APPLICATION,
        enabled: bool = True,
        credentials: Credentials | None = None,
        timing: Timing | None = None,
        grace: float = GRACE,
    ) -> None:
        section = config.section_for(application) or Application(name=application, origin="")
        self.warnings = config.warnings
        self._rules = bind_rules(config, application, enabled=enabled)
        self._section = section
        self._ipx_only = bool(config.ipx_servers)
        self._grace = grace
        self._local = DirectProvider()
        self._dialer = Dialer(
            servers=config.servers_for(application),
            port=config.control_port,
            timing=timing or Timing(),
            executable=f"{application.upper()}.EXE".encode("ascii", "replace").decode(),
            credentials=credentials if section.force_credentials else None,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WinsockProvider) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._dialer)

    @property
    def _identity(self) -> tuple[object, ...]:
        """What a bind goes by."""
        return (self._rules, self._section, self._dialer, self._ipx_only, self._grace)

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
        credentials = read_credentials(f"path.{name}", table.user, table.password_file, folder)
        section = config.section_for(table.application)
        forced = section is not None and section.force_credentials
        if forced != (credentials is not None):
            warning = (
                f"ForceCredentials=1, but path.{name}.user is empty: nobody logs in"
                if forced
                else f"path.{name}.user logs in only with ForceCredentials=1 in the section of "
                f"{table.application}"
            )
            config = replace(config, warnings=(*config.warnings, warning))
        elif forced:
            require(f"path.{name}.user")
        return cls(
            config,
            application=table.application,
            enabled=table.enabled,
            credentials=credentials,
            timing=Timing(tries=table.tries, interval=table.interval, keep_alive=table.keepalive),
        )

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
        Bind and listen where the configuration says.

        When the proxy is lost FAILED is reported, or RETRYING with Persistent=1. Raises
        `BindError`: 10050 when the proxy path cannot be used, 10048 when the port is taken on the
        proxy, a local bind's own code otherwise.
        """
        path = await self.decision(endpoint)
        if path.direction is Direction.REMOTE:
            return await self._create_remote(protocol_factory, endpoint, path, ssl, report)
        if path.direction is Direction.REFUSED:
            raise self._failures(endpoint).no_server(self._ipx_only)
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
        decision = f"{path.direction}: {_IN_WORDS[path.direction]}, because {path.rule}"
        hops = [Hop("decision", str(endpoint), True, f"{decision} ({path.source})")]
        try:
            if path.direction is Direction.REFUSED:
                error = self._failures(endpoint).no_server(self._ipx_only)
                hops.append(failed_hop(error, ""))
                raise error
            if path.direction is not Direction.LOCAL:
                await self._greet_only(endpoint, _callback(path), hops)
        except BindError:
            pass  # it is the last of the hops
        else:
            remote = path.direction is Direction.REMOTE
            hops += await self._local.diagnose(address if remote else endpoint)
        hops.append(self._foresee(path, endpoint, hops))
        return hops

    async def reach(self, address: Endpoint, *, seconds: float) -> Call:
        """
        Connect to a bound address, on the proxy or here, directly: this client has no CONNECT.

        Raises `UnreachedError`.
        """
        servers = self._dialer.servers
        return await reach(address, seconds=seconds, proxy=servers[0] if servers else "")

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
        binder = Binder(
            dialer=self._dialer,
            failures=self._failures(endpoint),
            local=path.endpoint,
            callback=_callback(path),
            external_hosts={port: str(host) for port, host in self._section.proxy_bind_ip},
            kill_old=self._section.kill_old_session,
            announcements=Announcements(self._grace),
        )
        return RemoteListener(
            await binder.bind(),
            binder=binder,
            persistent=self._section.persistent,
            protocol_factory=protocol_factory,
            via=self.url,
            tls=tls,
            report=report,
        )

    def _failures(self, endpoint: Endpoint) -> Failures:
        return Failures(endpoint=str(endpoint), path=self.url)


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
    local = path.endpoint
    if path.direction is not Direction.REMOTE or not _is_address(local.host):
        return ""
    return "" if local.is_wildcard else local.host


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
            hint="who logs in stands in a [path.*] table: user and password_file",
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
