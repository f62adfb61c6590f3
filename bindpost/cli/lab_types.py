"""Values of the options of `bindpost lab`: what is accepted, and the sentence when it isn't."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeVar

import click

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.winsock.ranges import PortSet
from bindpost.proxy.winsock.standin_faults import Misbehaviour

Value = TypeVar("Value")


def ipv4_endpoint(text: str) -> Endpoint:
    """Read `HOST:PORT` with an IPv4 address; raises `click.BadParameter`."""
    try:
        endpoint = Endpoint.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if not isinstance(_parsed(endpoint.host), IPv4Address):
        raise click.BadParameter(f"{endpoint.host!r} is no IPv4 address, such as 127.0.0.1")
    return endpoint


def own_ipv4_endpoint(text: str) -> Endpoint:
    """Read `HOST:PORT` with one IPv4 address of this machine; raises `click.BadParameter`."""
    endpoint = ipv4_endpoint(text)
    own_ipv4_address(endpoint.host)
    return endpoint


def own_ipv4_address(text: str) -> str:
    """Read an IPv4 address that is no wildcard; raises `click.BadParameter`."""
    if not isinstance(_parsed(own_address(text)), IPv4Address):
        raise click.BadParameter(f"{text!r} is no IPv4 address, such as 127.0.0.1")
    return text


def own_address(text: str) -> str:
    """Read an address that is no wildcard, for peers are told it; raises `click.BadParameter`."""
    parsed = _parsed(text)
    if parsed is None:
        raise click.BadParameter(f"{text!r} is no IP address, such as 127.0.0.1")
    if parsed.is_unspecified:
        raise click.BadParameter(f"{text} is every address; give one of this machine's")
    return text


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def account(text: str) -> tuple[str, str]:
    """Read `USER:PASSWORD`; raises `click.BadParameter`, which does not repeat it."""
    user, colon, password = text.partition(":")
    if not colon or not user:
        raise click.BadParameter("write USER:PASSWORD; it is not shown here, for it is a secret")
    return user, password


def ports(text: str) -> PortSet:
    """Read a port list, `25,1024-5000`; raises `click.BadParameter`."""
    try:
        return PortSet.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def misbehaviours(text: str) -> tuple[Misbehaviour, ...]:
    """Read `NAME[:ARGUMENT],...` of the Winsock Proxy's; raises `click.BadParameter`."""
    parts = []
    for part in text.split(","):
        try:
            parts.append(Misbehaviour.parse(part.strip()))
        except ValueError as error:
            raise click.BadParameter(f"{part.strip()}: {error}") from None
    return tuple(parts)


def names(known: Mapping[str, Value]) -> Callable[[str], tuple[Value, ...]]:
    """Give a reader of `NAME,NAME` that knows these names; it raises `click.BadParameter`."""

    def read(text: str) -> tuple[Value, ...]:
        chosen = [name.strip() for name in text.split(",")]
        for name in chosen:
            if name not in known:
                close = get_close_matches(name, known, 1)
                meant = f"; did you mean {close[0]}?" if close else ""
                raise click.BadParameter(f"{name!r} is none of {', '.join(known)}{meant}")
        return tuple(known[name] for name in chosen)

    return read
