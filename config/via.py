"""What `via` may be: a URL whose scheme is known, or the name of a `[path.NAME]` table."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from .redact import redact

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

FORMS: Final[Mapping[str, str]] = {
    "direct": "direct:",
    "inherit": "inherit:[NAME]",
    "socks4": "socks4://[USER@]HOST:PORT",
    "socks4a": "socks4a://[USER@]HOST:PORT",
    "socks5": "socks5://[USER:PASSWORD@]HOST:PORT",
    "ssh": "ssh://[USER@]HOST[:PORT]",
    "winsock": "winsock://HOST[:PORT]",
}
"""The bind paths that are built in: scheme, and how its URL is written."""

PLUG_INS: Final = "bindpost.bind_providers"
"""Entry-point group of the bind paths that others add; an entry's name is its scheme."""


def plug_ins() -> Mapping[str, EntryPoint]:
    """Give the installed plug-ins by scheme; what is built in can't be replaced by one."""
    from importlib.metadata import entry_points  # dear, and built-in schemes need no plug-ins

    found = entry_points(group=PLUG_INS)
    return {entry.name.lower(): entry for entry in found if entry.name.lower() not in FORMS}


def scheme_of(via: str, names: Collection[str]) -> str:
    """
    Give the scheme of a `via` that is a URL, or an empty string if it is one of `names`.

    Names come first. Raises `ValueError` with a sentence that lists what is known.
    """
    if via in names:
        return ""
    scheme, colon, rest = via.partition(":")
    if colon and (scheme.lower() in FORMS or scheme.lower() in plug_ins()):
        if scheme.lower() == "direct" and rest:
            raise ValueError(f'"{redact(via)}": direct: takes nothing after the colon')
        return scheme.lower()
    what = "scheme of a bind path" if colon else "bind path"
    raise ValueError(
        f'"{redact(via)}" is no known {what}; known: {_known(names)}{_nearest(via, names)}'
    )


def _known(names: Collection[str]) -> str:
    others = (f"{scheme}:" for scheme in sorted(plug_ins()))
    return ", ".join((*FORMS.values(), *others, *sorted(f"[path.{name}]" for name in names)))


def _nearest(via: str, names: Collection[str]) -> str:
    schemes = (f"{scheme}:" for scheme in FORMS)
    near = difflib.get_close_matches(via, (*names, *schemes), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
