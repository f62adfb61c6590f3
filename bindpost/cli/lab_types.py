"""Values of the options of `bindpost lab`: what is accepted, and the sentence when it isn't."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from ipaddress import IPv4Address, ip_address
from typing import TypeVar

import click

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.winsock.ranges import PortSet

Value = TypeVar("Value")


def ipv4_endpoint(text: str) -> Endpoint:
    """Read `HOST:PORT` with an IPv4 address; raises `click.BadParameter`."""
    try:
        endpoint = Endpoint.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    ipv4_address(endpoint.host)
    return endpoint


def ipv4_address(text: str) -> str:
    """Read an IPv4 address; raises `click.BadParameter`."""
    if not isinstance(_parsed(text), IPv4Address):
        raise click.BadParameter(f"{text!r} is no IPv4 address, such as 127.0.0.1")
    return text


def address(text: str) -> str:
    """Read an IPv4 or IPv6 address; raises `click.BadParameter`."""
    if _parsed(text) is None:
        raise click.BadParameter(f"{text!r} is no IP address, such as 127.0.0.1")
    return text


def _parsed(text: str) -> object:
    """Read an address; None if it is none."""
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
