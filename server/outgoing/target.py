"""Target: a URL that is asked, taken apart."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

_FORM: Final = "write http://HOST[:PORT]/PATH or https://..."
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_PATH: Final = re.compile(r"[!-~]*")
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class Target:
    """
    Where a request goes. `context` is what TLS trusts, for https.

    A user's name and password in the URL are no part of it.
    """

    scheme: str
    host: str
    port: int
    path: str
    context: ssl.SSLContext | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL. Raises `ValueError` with a sentence."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ValueError(f"is no URL ({error}); {_FORM}") from None
        host = parts.hostname or ""
        if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or port == 0:
            raise ValueError(f"is no URL of a server; {_FORM}")
        path = parts.path or "/"
        if parts.query:
            path += f"?{parts.query}"
        if parts.fragment or not _PATH.fullmatch(path):
            raise ValueError("has a #fragment, or something that isn't ASCII; write it as %XX")
        return cls(scheme=parts.scheme, host=host, port=port or _PORTS[parts.scheme], path=path)

    @property
    def authority(self) -> str:
        """Host and port as the field `Host` has them; the port is left out where it is usual."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        """Where it leads; the path is left out, since many services have a secret in it."""
        return f"{self.scheme}://{self.authority}"
