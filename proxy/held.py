"""What a walk along a bind path means when the listener is bound already: its port is our own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from bindpost.config.endpoint import Endpoint

from .provider import Hop
from .wsa import EADDRINUSE

FORECAST: Final = "serve"
"""The hop in which a walk says what a start would do; there is none to foresee any more."""
HEADER: Final = "header"
"""The hop of the PROXY protocol, which counts as reached only behind hops that went well."""


def as_held(hops: Iterable[Hop], asked: Endpoint, addresses: Sequence[Endpoint]) -> list[Hop]:
    """
    Give the hops of a walk to `asked` as they are for a listener that is bound at `addresses`.

    "Something listens there" is that listener, unless the hop names another address. The last hop
    tells where it is bound, in place of what a start would do.
    """
    ours = {str(asked), *map(str, addresses)}
    told = [
        replace(hop, ok=True, detail="held by this listener", code=None, hint="")
        if hop.ok is False and hop.code == EADDRINUSE and not _is_elsewhere(hop.target, ours)
        else hop
        for hop in hops
        if hop.name != FORECAST
    ]
    if all(hop.ok is not False for hop in told):
        told = [replace(hop, ok=True) if hop.name == HEADER else hop for hop in told]
    return [*told, Hop("bound", ", ".join(map(str, addresses)), True, "this listener is bound")]


def _is_elsewhere(target: str, ours: Collection[str]) -> bool:
    """Say whether a target is an address, and none of ours; a descriptor for one is no address."""
    if target in ours:
        return False
    try:
        Endpoint.parse(target)
    except ValueError:
        return False
    return True
