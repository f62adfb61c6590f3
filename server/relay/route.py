"""Route: the server to relay to, and the way there, read from the settings and checked."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, Self

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Relay
from bindpost.errors import ConfigError

from .proxy import Proxy

_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9._-]{1,253}(?<!-)")
_SECRET: Final = re.compile(r"[\x20-\x7e]+")
"""smtplib sends ASCII; a control character could end the command."""
_FORM: Final = "write HOST:PORT or [IPV6]:PORT, as in smtp.example.org:25"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """
    Where messages go: through `proxy`, None for none, to `server`, which is HOST:PORT.

    `context` is what TLS trusts, None where there is none. `user` is empty where nobody logs in.
    """

    server: Endpoint
    proxy: Proxy | None = None
    tls: Literal["off", "starttls", "implicit"] = "off"
    context: ssl.SSLContext | None = None
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def load(cls, settings: Relay, *, folder: Path) -> Self | None:
        """
        Read a route, None when the relay is off; touches no network.

        `folder` is what relative file names are relative to. Raises `ConfigError`.
        """
        if not settings.server:
            return None
        server = _server(settings.server)
        proxy = None if settings.via in ("", "direct:") else Proxy.from_url(settings.via)
        if proxy is not None and proxy.scheme == "socks4" and ":" in server.host:
            raise ConfigError("relay.server", f"{server} is IPv6, SOCKS4 is not")
        route = cls(
            server=server,
            proxy=proxy,
            tls=settings.tls,
            context=_context(settings, folder),
            user=settings.user,
            password=_password(settings, folder),
        )
        if route.user and route.tls == "off" and not route.stays_here:
            raise ConfigError(
                "relay.tls",
                f"is off, and the password would go to {server} in the clear",
                hint='set it to "starttls" or "implicit"',
            )
        return route

    @property
    def via(self) -> str:
        """The way to the server, its password hidden."""
        return "direct:" if self.proxy is None else self.proxy.url

    @property
    def first_hop(self) -> Endpoint:
        """What is connected to: the proxy, else the server."""
        return self.server if self.proxy is None else self.proxy.endpoint

    @property
    def stays_here(self) -> bool:
        """Whether nothing leaves this machine on the way to the server."""
        return self.proxy is None and is_loopback(self.server.host)


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine's loopback, by its address or as `localhost`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


def _server(text: str) -> Endpoint:
    try:
        server = Endpoint.parse(text)
    except ValueError:
        raise ConfigError("relay.server", f'"{text}" names no server', hint=_FORM) from None
    if server.is_unix or server.port == 0:
        raise ConfigError("relay.server", f'"{text}" is nothing to connect to', hint=_FORM)
    try:
        unspecified = ip_address(server.host).is_unspecified
    except ValueError:
        if not _NAME.fullmatch(server.host):
            raise ConfigError("relay.server", f'"{text}" names no host', hint=_FORM) from None
    else:
        if unspecified:
            raise ConfigError("relay.server", f'"{text}" is an address to listen on', hint=_FORM)
    return server


def _context(settings: Relay, folder: Path) -> ssl.SSLContext | None:
    if settings.tls == "off":
        return None
    path = folder / settings.ca_file if settings.ca_file else None
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # an ssl.SSLError too
        raise ConfigError(
            "relay.ca_file",
            f"{path}: {error.strerror or error}",
            hint="name a PEM file of certificates",
        ) from None


def _password(settings: Relay, folder: Path) -> str:
    if not settings.user:
        if settings.password_file:
            raise ConfigError("relay.user", "is empty, but relay.password_file is set")
        return ""
    if not settings.password_file:
        raise ConfigError("relay.password_file", "is empty, but relay.user is set")
    path = folder / settings.password_file
    try:
        password = path.read_text("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError("relay.password_file", f"{path}: {reason}") from None
    for key, text in (("relay.user", settings.user), ("relay.password_file", password)):
        if not _SECRET.fullmatch(text):
            raise ConfigError(key, "a login is one line of printable ASCII, and not empty")
    return password
