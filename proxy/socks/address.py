"""The SOCKS proxy that a URL names, and its login; all is checked before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import quote, unquote, urlsplit

from bindpost.config.endpoint import Endpoint
from bindpost.config.redact import HIDDEN, redact
from bindpost.errors import ConfigError

PORT: Final = 1080
"""The port that IANA gives to SOCKS."""
LONGEST_LOGIN: Final = 127
"""Bytes of a user name or password; PySocks writes longer lengths as two bytes (its issue 177)."""

_VERSIONS: Final = {"socks5": 5, "socks4": 4, "socks4a": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class SocksProxy:
    """
    A SOCKS proxy: where it is, which version it speaks, and who logs in.

    `version` is 4 or 5. In SOCKS4 `user` is the user id and there is no password; in SOCKS5 both or
    neither are given.
    """

    scheme: str
    host: str
    port: int = PORT
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """
        Read `socks5://[USER:PASSWORD@]HOST[:PORT]`, `socks4://[USER@]HOST[:PORT]` or `socks4a://`.

        User and password may be percent-encoded. Raises `ConfigError` that shows no password.
        """
        shown = f'"{redact(url)}"'
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise ConfigError("via", f"{shown}: {error}") from None
        if parts.scheme not in _VERSIONS:
            raise ConfigError("via", f"{shown} is none of {', '.join(_VERSIONS)}")
        form = _form(parts.scheme)
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            hint = "write / ? and # in a password as %2F %3F and %23"
            raise ConfigError("via", f"{shown} is not {form}", hint=hint)
        if not parts.hostname or any(letter.isspace() for letter in parts.hostname):
            raise ConfigError("via", f"{shown} names no host", hint=f"write {form}")
        try:
            port = PORT if parts.port is None else parts.port
        except ValueError:
            port = 0
        if port == 0:
            raise ConfigError("via", f"{shown}: the port is a number from 1 to 65535")
        proxy = cls(
            scheme=parts.scheme,
            host=parts.hostname,
            port=port,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )
        if problem := proxy._login_problem(given=parts.password is not None):
            raise ConfigError("via", f"{shown}: {problem}", hint=f"write {form}")
        return proxy

    @property
    def version(self) -> int:
        """Version of the protocol, 4 or 5."""
        return _VERSIONS[self.scheme]

    @property
    def url(self) -> str:
        """The proxy as a URL, its password hidden."""
        login = quote(self.user) + (f":{HIDDEN}" if self.password else "")
        at = "@" if login else ""
        return f"{self.scheme}://{login}{at}{Endpoint(self.host, self.port)}"

    def check(self, endpoint: Endpoint) -> None:
        """
        See that this proxy can be asked for an endpoint, without asking it.

        The host must be a wildcard: in a BIND request an address does not mean where to listen but
        whom to expect, and Dante then ignores the port. Raises `ConfigError`.
        """
        if endpoint.is_unix or not 0 <= endpoint.port <= 65535:
            raise ConfigError(
                "endpoint", f'"{endpoint}" is no TCP port', hint="write 0.0.0.0:PORT with SOCKS"
            )
        wildcard = f"0.0.0.0:{endpoint.port}"
        if not endpoint.is_wildcard:
            raise ConfigError(
                "endpoint",
                f'"{endpoint}" names an address, but the proxy decides where it listens; only the '
                "port is ours to choose",
                hint=f"write {wildcard} with SOCKS",
            )
        if self.version == 4 and ":" in endpoint.host:
            raise ConfigError(
                "endpoint", f'"{endpoint}" is IPv6, SOCKS4 is not', hint=f"write {wildcard}"
            )

    def _login_problem(self, *, given: bool) -> str:
        """Say what is wrong with user and password; `given` says whether there was a password."""
        if self.version == 4 and given:
            return "SOCKS4 has no passwords; socks5:// has"
        if self.version == 5 and bool(self.user) != bool(self.password):
            return "SOCKS5 needs user name and password, or neither"
        if any(len(text.encode()) > LONGEST_LOGIN for text in (self.user, self.password)):
            return f"user name and password have {LONGEST_LOGIN} bytes at most"
        if "\0" in self.user:
            return "the user name has a zero in it"
        return ""


def _form(scheme: str) -> str:
    login = "[USER:PASSWORD@]" if _VERSIONS[scheme] == 5 else "[USER@]"
    return f"{scheme}://{login}HOST:PORT"
