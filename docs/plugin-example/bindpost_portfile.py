"""A bind path of one's own: binds like direct:, and tells the port that it got in a file."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError, ConfigError
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.provider import Hop, Listener, ListenerState, ProtocolFactory, Report


class PortFileListener:
    """A listener with a file beside it; the file goes when the listener is closed."""

    def __init__(self, inner: Listener, file: Path) -> None:
        self._inner = inner
        self._file = file
        file.write_text(f"{inner.addresses[0].port}\n")

    @property
    def addresses(self) -> Sequence[Endpoint]:
        """Where peers connect."""
        return self._inner.addresses

    @property
    def capacity(self) -> int | None:
        """As many as the inner one takes."""
        return self._inner.capacity

    @property
    def state(self) -> ListenerState:
        """What the inner one says."""
        return self._inner.state

    def close(self) -> None:
        """Stop accepting and take the file away."""
        self._file.unlink(missing_ok=True)
        self._inner.close()

    async def wait_closed(self) -> None:
        """Return when nothing is left."""
        await self._inner.wait_closed()


@dataclass(frozen=True)
class PortFileProvider:
    """`portfile:/path/to/file`."""

    file: Path

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read the URL; a `ConfigError` is how a bad one is told."""
        path = urlsplit(url).path
        if not path.startswith("/"):
            raise ConfigError("via", f"{url}: name a file, as in portfile:/run/smtp.port")
        return cls(Path(path))

    @property
    def url(self) -> str:
        """The bind path, as logs show it; a password would have to be hidden here."""
        return f"portfile:{self.file}"

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        *,
        ssl: ssl.SSLContext | None = None,
        report: Report | None = None,
    ) -> Listener:
        """Bind; whatever fails is a `BindError` that tells our path."""
        try:
            inner = await DirectProvider().create_server(
                protocol_factory, endpoint, ssl=ssl, report=report
            )
        except BindError as error:
            error.path = self.url
            raise
        return PortFileListener(inner, self.file)

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """Walk the path: the folder of the file, then what direct: finds."""
        exists = self.file.parent.is_dir()
        folder = Hop("file", str(self.file), exists, "is there" if exists else "has no folder")
        return [folder, *await DirectProvider().diagnose(endpoint)]
