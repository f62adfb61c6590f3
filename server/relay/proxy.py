"""Which proxy the relay connects through, with its login: read from a URL and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import quote, unquote, urlsplit

from bindpost.config.endpoint import Endpoint
from bindpost.config.redact import HIDDEN, redact
from bindpost.errors import ConfigError
from bindpost.proxy.socks.address import SocksProxy

_KEY: Final = "relay.via"
_FORM: Final = "write http://[USER:PASSWORD@]HOST:PORT"
_SOCKS: Final = ("socks5", "socks4", "socks4a")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """
    A proxy that can CONNECT: `scheme` is socks5, socks4, socks4a or http.

    Whether it resolves the server's name or we do is the scheme's: only socks4 leaves it to us.
    """

    scheme: str
    endpoint: Endpoint
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read a proxy's URL; user and password may be percent-encoded. Raises `ConfigError`."""
        scheme = url.partition(":")[0].lower()
        if scheme == "http":
            return cls._from_http(url)
        if scheme not in _SOCKS:
            raise ConfigError(
                _KEY,
                f'"{redact(url)}" is no way to a server',
                hint=f"known: direct:, {', '.join(f'{known}://' for known in (*_SOCKS, 'http'))}",
            )
        try:
            socks = SocksProxy.from_url(url)
        except ConfigError as error:
            raise ConfigError(_KEY, error.problem, hint=error.hint) from None
        return cls(
            scheme=socks.scheme,
            endpoint=Endpoint(socks.host, socks.port),
            user=socks.user,
            password=socks.password,
        )

    @classmethod
    def _from_http(cls, url: str) -> Self:
        shown = f'"{redact(url)}"'
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ConfigError(_KEY, f"{shown} is no URL", hint=_FORM) from None
        extra = parts.path not in {"", "/"} or parts.query or parts.fragment
        if extra or not host or not port or any(letter.isspace() for letter in host):
            raise ConfigError(_KEY, f"{shown} is not complete, or has too much", hint=_FORM)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if bool(user) != bool(password) or ":" in user:
            raise ConfigError(_KEY, f"{shown}: a login is a name without a colon and a password")
        return cls(scheme="http", endpoint=Endpoint(host, port), user=user, password=password)

    @property
    def url(self) -> str:
        """The proxy as a URL, its password hidden."""
        login = quote(self.user) + (f":{HIDDEN}" if self.password else "")
        return f"{self.scheme}://{login}{'@' if login else ''}{self.endpoint}"
