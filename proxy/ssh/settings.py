"""What an ssh path needs to know: host, port, user, keys and times, from a URL or a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote, unquote, urlsplit

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import SshPath
from bindpost.config.redact import redact
from bindpost.errors import ConfigError

SCHEME: Final = "ssh"
PORT: Final = 22
KNOWN_HOSTS: Final = Path("~/.ssh/known_hosts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things may take, in seconds, and how a lost path is bound again."""

    connect: float = 10.0
    """Resolving, and each address's TCP connection."""
    login: float = 15.0
    request: float = 15.0
    """The answer to a request to listen."""
    unlisten: float = 5.0
    """The answer to a request to listen no more; without one the login's end must do."""
    keepalive: float = 15.0
    keepalive_count: int = 3
    """Keepalives without an answer; the connection is lost one interval after the last."""
    pauses: tuple[float, ...] = (0.002, 0.005, 0.02, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
    """Before each attempt after a loss; the last one is repeated."""
    slow: float = 5.0
    """Before the next attempt after a refusal, which time alone seldom cures."""
    held: float = 60.0
    """How long after a loss the port may still be held by the old session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSettings:
    """An SSH server and how to log in there."""

    host: str
    port: int = PORT
    user: str = ""
    known_hosts: Path = KNOWN_HOSTS
    key: Path | None = None
    agent: bool = True
    password_file: Path | None = None
    timing: Timing = field(default_factory=Timing)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read `ssh://[USER@]HOST[:PORT]`. Raises `ConfigError` that shows no password."""
        try:
            parts = urlsplit(url)
            port = PORT if parts.port is None else parts.port
        except ValueError as error:
            raise ConfigError("via", f'"{redact(url)}": {error}') from None
        if parts.password is not None:
            raise ConfigError(
                "via",
                f'"{redact(url)}" has a password',
                hint="use a key or the agent; a [path.*] table may name a password_file",
            )
        if parts.scheme != SCHEME or parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ConfigError("via", f'"{redact(url)}" is not {SCHEME}://[USER@]HOST[:PORT]')
        if parts.username == "":
            raise ConfigError("via", f'"{redact(url)}" names no user before the @')
        user = unquote(parts.username or "")
        host = parts.hostname or ""
        return cls(
            host=_checked_host("via", host),
            port=_checked_port("via", port),
            user=_checked_user("via", user),
        )

    @classmethod
    def from_table(cls, name: str, table: SshPath, folder: Path) -> Self:
        """Read a `[path.NAME]` table; file names are relative to `folder`. Raises `ConfigError`."""
        key = f"path.{name}"
        known_hosts = _file(f"{key}.known_hosts", table.known_hosts, folder)
        return cls(
            host=_checked_host(f"{key}.host", table.host),
            port=_checked_port(f"{key}.port", table.port),
            user=_checked_user(f"{key}.user", table.user),
            known_hosts=known_hosts or KNOWN_HOSTS,
            key=_file(f"{key}.key", table.key, folder),
            agent=table.agent,
            password_file=_file(f"{key}.password_file", table.password_file, folder),
            timing=Timing(keepalive=table.keepalive),
        )

    @property
    def server(self) -> str:
        """`HOST:PORT`."""
        return str(Endpoint(self.host, self.port))

    @property
    def login(self) -> str:
        """`USER@HOST:PORT`, without the user if none is named."""
        return f"{self.user}@{self.server}" if self.user else self.server

    @property
    def url(self) -> str:
        """The bind path as a URL; there is no password in it."""
        user = f"{quote(self.user, safe='')}@" if self.user else ""
        return f"{SCHEME}://{user}{self.server}"


def _checked_host(key: str, host: str) -> str:
    if not host or any(letter.isspace() or letter in "/\\@[]" for letter in host):
        raise ConfigError(key, f"{host!r} names no host", hint="write a name or an IP address")
    return host


def _checked_port(key: str, port: int) -> int:
    if not 1 <= port <= 65535:
        raise ConfigError(key, f"{port} is no port to connect to", hint="write 1 to 65535")
    return port


def _checked_user(key: str, user: str) -> str:
    if not user.isprintable() or any(letter.isspace() for letter in user):
        raise ConfigError(key, f"{user!r} is no name of a user")
    return user


def _file(key: str, name: str, folder: Path) -> Path | None:
    """Give the path of a file that must be there, None if none is named."""
    if not name:
        return None
    path = folder / Path(name).expanduser()
    if not path.is_file():
        raise ConfigError(key, f"there is no file {path}")
    return path
