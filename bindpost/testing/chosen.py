"""The settings of a test's own server: isolated from the machine's, but for what a test chooses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, cast

import msgspec

from ..config.load import load
from ..config.model import Settings
from ..config.tree import Tree, check
from ..errors import ConfigError

_HERE: Final = "127.0.0.1:0"
DEFAULT_PERSONALITY: Final = "plain"
"""A test of one's own program wants a server of today in front of it."""
_DEFAULTS: Final = {"limits": {"drain": 0.0}}
"""A session that a test left open isn't waited for."""


def chosen_settings(
    *,
    personality: str | None = None,
    tls: Literal["off", "starttls", "implicit"] | None = None,
    via: str | None = None,
    on_bind_failure: Literal["stop", "retry", "continue"] | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, object] | None = None,
) -> Settings:
    """
    Give the settings of one plain listener on a free port of loopback, with mail in memory, no web.

    `config` is a configuration file; of its listeners nothing is taken. With `tls` a certificate is
    made on the spot if the file names none. `settings` is what a configuration file would say, as
    nested mappings, and has the last word. Environment variables and a `bindpost.toml` that lies
    about change nothing. Raises `ConfigError`.
    """
    flags: dict[str, object] = {
        "listen": [_HERE],
        "via": via,
        "personality": personality or (DEFAULT_PERSONALITY if config is None else None),
        "on_bind_failure": on_bind_failure,
        "data": ":memory:",
        "web": "off",
    }
    file = None if config is None else Path(config)
    loaded = load(file=file, flags=flags, environ={}, look_around=False).settings
    tree: Tree = msgspec.to_builtins(loaded)
    _merge(tree, _DEFAULTS)
    if tls is not None:
        cast("list[Tree]", tree["listener"])[0]["tls"] = tls
        if tls != "off" and not loaded.tls.certificate:
            _merge(tree, {"tls": {"certificate": "self-signed"}})
    if "faults" in (settings or {}):
        raise ConfigError(
            "faults", "is read with a configuration file only", hint="use config=, or say fault"
        )
    _merge(tree, settings or {})
    check(tree, lambda _: "settings=")
    return msgspec.convert(tree, Settings)


def _merge(tree: dict[str, Any], more: Mapping[str, object]) -> None:
    for name, value in more.items():
        if isinstance(value, Mapping):
            _merge(tree.setdefault(name, {}), value)
        else:
            tree[name] = value
