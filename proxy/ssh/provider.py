"""The bind provider of `ssh://`: binds on an SSH server, as `ssh -R` does, but without a relay."""

from __future__ import annotations

import importlib
import ssl
from pathlib import Path
from typing import Final, Self

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import SshPath
from bindpost.errors import ConfigError
from bindpost.log import get_logger

from ..provider import Call, Hop, Listener, ProtocolFactory, Report
from .gateway import overridden, unsure
from .settings import SshSettings

_LOG: Final = get_logger("bindpost.proxy.ssh")


class SshProvider:
    """
    Binds a port on an SSH server and takes its connections through the login.

    Every peer is a session with its true address; there is no relay and no limit. What may go
    wrong, with which code, stands in `matrix`.

    Implements `bindpost.proxy.provider.BindProvider` and `Reaching`.
    """

    def __init__(self, settings: SshSettings, *, key: str = "via") -> None:
        self.settings = settings
        try:
            importlib.import_module("asyncssh")
        except ImportError:
            raise ConfigError(
                key,
                f"{settings.url} needs asyncssh, which is not installed",
                hint='install bindpost with its extra: pip install "bindpost[ssh]"',
            ) from None

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read `ssh://[USER@]HOST[:PORT]`. Raises `ConfigError`."""
        return cls(SshSettings.from_url(url))

    @classmethod
    def from_table(cls, name: str, table: SshPath, folder: Path) -> Self:
        """Read a `[path.NAME]` table; file names are relative to `folder`. Raises `ConfigError`."""
        return cls(SshSettings.from_table(name, table, folder), key=f"path.{name}.type")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SshProvider) and self.settings == other.settings

    def __hash__(self) -> int:
        return hash(self.settings)

    @property
    def url(self) -> str:
        """The bind path as a URL; there is no password in it."""
        return self.settings.url

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        *,
        ssl: ssl.SSLContext | None = None,
        report: Report | None = None,
    ) -> Listener:
        """
        Log in, and bind the endpoint's address on the SSH host.

        Raises `BindError`: 10048 when the port is taken there, 10050 for all else.
        """
        # Only here, after the constructor has made sure that there is an asyncssh.
        from .failures import Failures
        from .listener import bind

        if endpoint.is_unix:
            raise Failures(settings=self.settings, endpoint=endpoint).of("not-tcp")
        listener, debug = await bind(self.settings, endpoint, protocol_factory, ssl, report)
        doubt = overridden(endpoint, debug) or unsure(endpoint, self.settings.host)
        if doubt is not None:
            _LOG.warning(doubt.sentence, endpoint=str(endpoint), via=self.url, hint=doubt.hint)
        return listener

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """
        Log in, look whether the port is taken, say what would be asked for, and leave.

        Whether sshd permits it is known only by asking, which would bind it.
        """
        from .diagnosis import diagnose

        return await diagnose(self.settings, endpoint)

    async def reach(self, address: Endpoint, *, seconds: float) -> Call:
        """Have the SSH server connect to what it has bound. Raises `UnreachedError`."""
        from .reach import reach

        return await reach(self.settings, address, seconds=seconds)
