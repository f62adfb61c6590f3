"""The machines of the lab: three addresses of one machine, or machines of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from .file import parse, read
from .kinds import Table
from .lines import place_in
from .tree import check


class Machine(Table, frozen=True, kw_only=True):
    """One machine: its address, and how a command is run on it."""

    address: Annotated[str, Meta(description="Its IPv4 address; the proxy's inner one.")]
    external: Annotated[str, Meta(description="The proxy's outer address.")] = ""
    prefix: Annotated[
        tuple[str, ...],
        Meta(description="What stands before a command that is to run there: ip netns exec NAME."),
    ] = ()


class Hosts(Table, frozen=True, kw_only=True):
    """The three machines; `isolated` says whether each has a network stack of its own."""

    exchange: Machine
    proxy: Machine
    internet: Machine
    isolated: Annotated[
        bool, Meta(description="Whether each has its own network, so that any port is free.")
    ] = True


ONE_MACHINE: Final = Hosts(
    exchange=Machine(address="127.0.0.3"),
    proxy=Machine(address="127.0.0.1", external="127.0.0.2"),
    internet=Machine(address="127.0.0.9"),
    isolated=False,
)
"""Everything on this machine's loopback; Linux has all of 127.0.0.0/8."""


def load_hosts(path: Path) -> Hosts:
    """Read a hosts file; raises `ConfigError`."""
    text = read(path, "--hosts", what="hosts", hint="docs/lab.md tells how to write one")
    tree = parse(text, path, "--hosts")
    check(tree, place_in(text, path), (Hosts,))
    return msgspec.convert(tree, Hosts)
