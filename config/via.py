"""What `via` may be: a URL whose scheme is known, or the name of a `[path.NAME]` table."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Final

from .redact import redact

SCHEMES: Final = ("direct", "winsock")
"""Schemes of the bind paths that are built in."""

_FORMS: Final = ("direct:", "winsock://HOST:PORT")


def scheme_of(via: str, names: Collection[str]) -> str:
    """
    Give the scheme of a `via` that is a URL, or an empty string if it is one of `names`.

    Names come first. Raises `ValueError` with a sentence that lists what is known.
    """
    if via in names:
        return ""
    scheme, colon, rest = via.partition(":")
    if colon and scheme.lower() in SCHEMES:
        if scheme.lower() == "direct" and rest:
            raise ValueError(f'"{redact(via)}": direct: takes nothing after the colon')
        return scheme.lower()
    what = "scheme of a bind path" if colon else "bind path"
    raise ValueError(
        f'"{redact(via)}" is no known {what}; known: {_known(names)}{_nearest(via, names)}'
    )


def _known(names: Collection[str]) -> str:
    return ", ".join((*_FORMS, *sorted(f"[path.{name}]" for name in names)))


def _nearest(via: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(via, (*names, "direct:", "winsock:"), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
