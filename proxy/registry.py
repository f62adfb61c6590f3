"""From `via` to the provider that it names."""

from __future__ import annotations

from pathlib import Path

from bindpost.config.model import Settings, WinsockPath
from bindpost.config.redact import redact
from bindpost.config.via import scheme_of
from bindpost.errors import ConfigError

from .direct import DirectProvider
from .provider import BindProvider

__all__ = ["provider_for", "redact"]


def provider_for(via: str, settings: Settings, folder: Path) -> BindProvider:
    """
    Give the provider of a bind path: `direct:`, `winsock://HOST:PORT`, or a name of `[path.*]`.

    File names in a `[path.*]` table are relative to `folder`. Raises `ConfigError` with a list of
    what is known.
    """
    try:
        scheme = scheme_of(via, settings.path)
    except ValueError as error:
        raise ConfigError("via", str(error)) from None
    table = settings.path[via] if not scheme else None
    if scheme == "winsock" or isinstance(table, WinsockPath):
        # Imported only here: who binds directly pays nothing for it.
        from .winsock.provider import WinsockProvider

        if isinstance(table, WinsockPath):
            return WinsockProvider.from_table(via, table, folder)
        return WinsockProvider.from_url(via)
    return DirectProvider()
