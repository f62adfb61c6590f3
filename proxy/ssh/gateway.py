"""What sshd's GatewayPorts makes of the address that was asked for; the protocol doesn't say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bindpost.config.endpoint import Endpoint

from .request import ListenRequest


class Doubt(NamedTuple):
    """Why peers may find another address bound than the one that was asked for."""

    sentence: str
    hint: str


def unsure(endpoint: Endpoint, ssh_host: str) -> Doubt | None:
    """
    Say that a bind which was meant for other machines may be on loopback only.

    With `GatewayPorts no`, which is the default, sshd takes every address, says yes, and listens on
    127.0.0.1 and ::1 (OpenSSH 9.2).
    """
    if ListenRequest(endpoint).is_loopback:
        return None
    return Doubt(
        f"{endpoint} may be bound on the loopback addresses of {ssh_host} only; it can't be seen "
        "from here",
        f"set `GatewayPorts clientspecified` in sshd_config on {ssh_host}, and try from outside",
    )


def overridden(endpoint: Endpoint, debug: Sequence[str]) -> Doubt | None:
    """Say that sshd has bound every address in place of the one asked for (`GatewayPorts yes`)."""
    if not any("overridden by server gatewayports" in message.lower() for message in debug):
        return None
    return Doubt(
        f"sshd listens on every address in place of {endpoint.host}, so that every machine which "
        "reaches it can connect",
        "set `GatewayPorts clientspecified` in its sshd_config in place of yes",
    )
