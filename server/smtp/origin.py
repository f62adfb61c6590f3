"""
Origin: what XCLIENT and XFORWARD tell of a client, as Postfix's XCLIENT_README and XFORWARD_README
have it.

Names have no case. Values are xtext (RFC 3461, 4); one that is not is taken as it is, as Postfix
before 2.3 sent it. What is no printable character becomes a question mark, as in Postfix.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

Told = Mapping[str, str]
"""Attributes that were told, by their names in capitals."""
Attributes = Mapping[str, Callable[[str], str | None]]
"""What gives an attribute's value as it is kept, None for one that can't be."""

NOTHING: Final[Told] = {}
"""Of a session in which nobody has told anything."""
VALUE_LIMIT: Final = 255
"""Characters of a value as it comes: Postfix's limit."""
PROTOCOL_LIMIT: Final = 64
"""Characters of XFORWARD's PROTO: Postfix's limit."""
UNKNOWN: Final = frozenset({"[UNAVAILABLE]", "[TEMPUNAVAIL]"})
"""Values that say that the client's side doesn't know, for ever or for now."""

_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-Fa-f]{2})+")
_HEX: Final = re.compile(rb"\+([0-9A-Fa-f]{2})")
_HOST: Final = re.compile(r"[\w.-]+")


class UnknownAttributeError(ValueError):
    """There is no such attribute; `str()` is its name."""


class BadAttributeError(ValueError):
    """Not NAME=VALUE, or no value that the attribute can have; `str()` is what was written."""


def read_attributes(argument: str, known: Attributes) -> Told:
    """
    Read `NAME=VALUE NAME=VALUE...`; of an attribute that comes twice the last one counts.

    Raises `UnknownAttributeError` and `BadAttributeError`.
    """
    told = {}
    for word in argument.split():
        name, _, raw = word.partition("=")
        name = name.upper()
        if not 0 < len(raw) <= VALUE_LIMIT:
            raise BadAttributeError(word)
        if name not in known:
            raise UnknownAttributeError(name)
        value = _decoded(raw)
        kept = value.upper() if value.upper() in UNKNOWN else known[name](value)
        if kept is None:
            raise BadAttributeError(word)
        told[name] = kept
    return told


def available(told: Told, name: str) -> str | None:
    """Give an attribute's value, None where it wasn't told or isn't known."""
    value = told.get(name)
    return None if value in UNKNOWN else value


def _decoded(raw: str) -> str:
    text = raw
    if _XTEXT.fullmatch(raw):
        octets = _HEX.sub(lambda found: bytes([int(found[1], 16)]), raw.encode())
        text = octets.decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "?" for character in text)


def _any(value: str) -> str | None:
    return value


def _host(value: str) -> str | None:
    return value if _HOST.fullmatch(value) else None


def _address(value: str) -> str | None:
    """Give an address without the prefix that marks one of version 6 (RFC 5321, 4.1.3)."""
    text = value[5:] if value.upper().startswith("IPV6:") else value
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _port(value: str) -> str | None:
    number = value.isascii() and value.isdigit() and len(value) <= 5 and int(value) <= 65535
    return value if number else None


def _protocol(value: str) -> str | None:
    return value if len(value) <= PROTOCOL_LIMIT else None


def _one_of(*choices: str) -> Callable[[str], str | None]:
    return lambda value: value.upper() if value.upper() in choices else None


XCLIENT: Final[Attributes] = MappingProxyType(
    {
        "NAME": _host,
        "ADDR": _address,
        "PORT": _port,
        "PROTO": _one_of("SMTP", "ESMTP"),
        "HELO": _any,
        "LOGIN": _any,
        "DESTADDR": _address,
        "DESTPORT": _port,
    }
)
XFORWARD: Final[Attributes] = MappingProxyType(
    {
        "NAME": _host,
        "ADDR": _address,
        "PORT": _port,
        "PROTO": _protocol,
        "HELO": _any,
        "IDENT": _any,
        "SOURCE": _one_of("LOCAL", "REMOTE"),
    }
)
