"""Which keys the Proxy Client's files may hold, and what is said of those that mean nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from .ini import Entry, IniFile, Section

_ADDRESSES: Final = frozenset(f"addr{number}" for number in range(1, 1000))
_MANY: Final = frozenset(f"addr{number}" for number in range(10, 1000))
"""No misspelt key is compared with these: a large file of such keys would take minutes."""
_GENERAL: Final[Mapping[str, frozenset[str]]] = {
    "internal": frozenset({"scp", "build"}),
    "master config": frozenset({"path"} | {f"path{number}" for number in range(1, 10)}),
    "my config": frozenset({"path"} | {f"path{number}" for number in range(1, 10)}),
    "servers ip addresses": frozenset({"name"}) | _ADDRESSES,
    "servers ipx addresses": _ADDRESSES,
    "common": frozenset(
        {
            "port",
            "configuration refresh time (hours)",
            "refresh give up time (minutes)",
            "re-check inaccessible server time (minutes)",
            "inaccessible servers give up time (minutes)",
            "localdomains",
            "www-proxy",
            "webproxyport",
            "set browsers to use proxy",
            "set browsers to use auto config",
            "set browsers to use auto detect",
            "configuration url",
            "setup",
            "autodetect isa servers",
        }
    ),
}
"""The sections that are no application's, and their keys, as far as real files show them."""
WITHOUT_EFFECT: Final = frozenset(
    {
        "nameresolution",
        "nameresolutionforlocalhost",
        "useproxyipforgethostbyname",
        "localbindudpports",
        "remotebindudpports",
        "multipleaccessudpports",
    }
)
"""Keys of Proxy Server 1.0 and 2.0 that change nothing about a TCP bind as bindpost makes it."""
_LATER: Final = frozenset(
    {
        "disableex",
        "controlchannel",
        "dontremoteoutboundtcpports",
        "dontremoteoutboundudpports",
        "autodetection",
        "servername",
    }
)
"""Keys that came with ISA Server and later."""

_TELLING: Final = {
    key.casefold(): key
    for key in (
        "Disable",
        "LocalBindTcpPorts",
        "RemoteBindTcpPorts",
        "ServerBindTcpPorts",
        "MultipleAccessTcpPorts",
        "ProxyBindIp",
        "ForceProxy",
        "ForceCredentials",
        "Persistent",
        "KillOldSession",
    )
}
"""The keys that a misspelt one is compared with, as they are written."""


def address_number(entry: Entry) -> int:
    """Give the number of an `Addr1=`, `Addr2=`... entry, 0 for any other."""
    key = entry.key.casefold()
    return int(key.removeprefix("addr")) if key in _ADDRESSES else 0


def is_general(section: Section) -> bool:
    """Say whether this is a section of MSPCLNT.INI that is no application's."""
    return section.name.casefold() in _GENERAL


def check_general(ini: IniFile) -> list[str]:
    """Tell what means nothing in the sections that are no application's."""
    warnings: list[str] = []
    seen: set[str] = set()
    for section in filter(is_general, ini.sections):
        name = section.name.casefold()
        if name in seen:
            warnings.append(f"{ini.name}, line {section.line}: [{section.name}] again; ignored")
            continue
        seen.add(name)
        known = _GENERAL[name]
        likely = known - _MANY
        for entry in first_of_each(ini, section, warnings):
            if entry.key.casefold() not in known:
                close = get_close_matches(entry.key.casefold(), likely, 1)
                meant = f"; did you mean {close[0]}?" if close else ""
                warnings.append(
                    f"{ini.name}, line {entry.line}: [{section.name}] {entry.key} is not known; "
                    f"ignored{meant}"
                )
    return warnings


def without_meaning(entry: Entry) -> str:
    """Say why a key of an application's section means nothing; empty if it means something."""
    key = entry.key.casefold()
    if key in WITHOUT_EFFECT:
        return ""
    if key in _LATER:
        return "is a key of later products"
    close = get_close_matches(key, _TELLING, 1)
    return f"is not known (did you mean {_TELLING[close[0]]}?)" if close else "is not known"


def first_of_each(ini: IniFile, section: Section, warnings: list[str]) -> Iterator[Entry]:
    """Give the entries; of two with one key the first, as in Windows."""
    seen: set[str] = set()
    for entry in section.entries:
        key = entry.key.casefold()
        if key in seen:
            warnings.append(f"{ini.name}, line {entry.line}: {entry.key} again; ignored")
        else:
            seen.add(key)
            yield entry
