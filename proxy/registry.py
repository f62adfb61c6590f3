"""From `via` to the provider that it names."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final, cast

from bindpost.config.activation import activation
from bindpost.config.model import Listener, Settings, SocksPath, SshPath, WinsockPath
from bindpost.config.via import plug_ins, scheme_of
from bindpost.errors import ConfigError

from .direct import DirectProvider
from .provider import BindProvider

_FROM_URL: Final = {
    "socks4": (".socks.provider", "SocksProvider"),
    "socks4a": (".socks.provider", "SocksProvider"),
    "socks5": (".socks.provider", "SocksProvider"),
    "ssh": (".ssh.provider", "SshProvider"),
    "winsock": (".winsock.provider", "WinsockProvider"),
}
"""Providers that are made from their URL alone, imported only when they are used."""


def provider_of(listener: Listener, settings: Settings, folder: Path) -> BindProvider:
    """Give the provider of a listener, behind the PROXY protocol if it is expected there."""
    provider = provider_for(listener.via, settings, folder)
    if not listener.proxy_protocol:
        return provider
    from .haproxy.provider import ProxyProtocolProvider

    return ProxyProtocolProvider(provider, listener.proxy_trusted, timeout=listener.proxy_timeout)


def provider_for(via: str, settings: Settings, folder: Path) -> BindProvider:
    """
    Give the provider of a bind path: a URL of a known scheme, or a name of `[path.*]`.

    File names in a `[path.*]` table are relative to `folder`. Raises `ConfigError` with a list of
    what is known.
    """
    try:
        scheme = scheme_of(via, settings.path)
    except ValueError as error:
        raise ConfigError("via", str(error)) from None
    if not scheme:
        return _from_table(via, settings, folder)
    if scheme == "inherit":
        from .inherited import InheritedProvider

        vias = [listener.via for listener in settings.listener]
        return InheritedProvider.from_url(via, activation(), listeners=vias)
    if scheme in _FROM_URL:
        module, name = _FROM_URL[scheme]
        made = getattr(import_module(module, __package__), name).from_url(via)
        return cast("BindProvider", made)
    return DirectProvider() if scheme == "direct" else _from_plug_in(scheme, via)


def _from_table(name: str, settings: Settings, folder: Path) -> BindProvider:
    table = settings.path[name]
    if isinstance(table, WinsockPath):
        from .winsock.provider import WinsockProvider

        return WinsockProvider.from_table(name, table, folder)
    if isinstance(table, SocksPath):
        from .socks.provider import SocksProvider

        return SocksProvider.from_table(name, table)
    if isinstance(table, SshPath):
        from .ssh.provider import SshProvider

        return SshProvider.from_table(name, table, folder)
    return DirectProvider()


def _from_plug_in(scheme: str, via: str) -> BindProvider:
    """Make a plug-in's provider; whatever it fails of is told as a setting that can't be used."""
    entry = plug_ins()[scheme]
    try:
        return cast("BindProvider", entry.load()(via))
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            "via", f"the plug-in {entry.value} for {scheme}: failed: {error!r}"
        ) from error
