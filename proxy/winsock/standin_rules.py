"""What the stand-in server lets clients bind: access rules, each a function that may object."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BindRequest:
    """
    A bind that a client asks for.

    `application` is the program's name without `.exe`, in small letters; `account` is who logged
    in, `""` for nobody.
    """

    port: int
    application: str
    account: str


Rule = Callable[[BindRequest], str]
"""Gives the objection to a bind, `""` for none."""


def only_ports(ports: Collection[int]) -> Rule:
    """Let these ports be bound, and no others."""
    return lambda request: "" if request.port in ports else f"port {request.port} is not allowed"


def no_ports(ports: Collection[int]) -> Rule:
    """Let these ports not be bound."""
    return lambda request: f"port {request.port} is denied" if request.port in ports else ""


def only_applications(names: Collection[str]) -> Rule:
    """Let these programs bind, and no others; with or without `.exe`, in any case of letters."""
    known = {application_name(name) for name in names}
    return lambda request: (
        "" if request.application in known else f"{request.application!r} is not allowed"
    )


def only_logged_in(request: BindRequest) -> str:
    """Let nobody bind who has not logged in (KB Q181420, steps 8 and 9)."""
    return "" if request.account else "nobody has logged in"


def nothing(_request: BindRequest) -> str:
    """Let nobody bind anything."""
    return "nothing is allowed"


def application_name(executable: str) -> str:
    """Give a program's name as its section in WSPCFG.INI has it, in small letters."""
    return executable.casefold().removesuffix(".exe")
