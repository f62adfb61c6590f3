"""What the Proxy Client is told by its files: MSPCLNT.INI, WSPCFG.INI and the LAT files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, Self, TypeVar

from bindpost.errors import ConfigError

from .client_keys import address_number, check_general, first_of_each, is_general, without_meaning
from .ini import Entry, IniFile, Section, blank_edges, parse_ini, read_ansi, split_lines
from .ranges import (
    ALL_PORTS,
    NO_PORTS,
    NO_TABLE,
    LocalAddressTable,
    PortSet,
    format_ranges,
    parse_lat_line,
    parse_port,
)

CONTROL_PORT: Final = 1745
"""UDP port of the control channel, `[Common] Port=` (KB Q231878)."""
COMMON: Final = "Common Configuration"
"""Section for every application; its `Disable=1` in MSPCLNT.INI beats every other setting."""
VERSION_1: Final = "Wsp client"
"""The one section that Proxy Server 1.0 read, for every application."""

_PORT_LISTS: Final = {
    "localbindtcpports": "local",
    "remotebindtcpports": "remote",
    "serverbindtcpports": "server",
    "multipleaccesstcpports": "multiple",
}
_FLAGS: Final = frozenset({"disable", "persistent", "killoldsession", "forcecredentials"})
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """
    The section that one application's binds go by.

    `origin` is the file and line. The port lists are `LocalBindTcpPorts`, `RemoteBindTcpPorts`,
    `ServerBindTcpPorts` and version 1.0's `MultipleAccessTcpPorts`. `proxy_bind_ip` pairs ports
    with addresses of the proxy; `force_proxy` is a server for this application only, `""` for
    none. `persistent`: what was bound is bound again when the proxy is back. `kill_old_session`: a
    bind ends an earlier session of the program. `force_credentials`: the stored account logs in.
    """

    name: str
    origin: str
    disable: bool = False
    persistent: bool = False
    kill_old_session: bool = False
    force_credentials: bool = False
    local: PortSet = NO_PORTS
    remote: PortSet = NO_PORTS
    server: PortSet = NO_PORTS
    multiple: PortSet = NO_PORTS
    proxy_bind_ip: tuple[tuple[int, IPv4Address], ...] = ()
    force_proxy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """
    All that the Proxy Client's files say about a bind.

    `servers` are names or addresses, best first; `ipx_servers` are told apart because bindpost
    speaks IP only. `common_disable` is the origin of MSPCLNT.INI's `[Common Configuration]
    Disable=1`, `""` without it. `wspcfg` and `mspclnt` are the applications' sections of each
    file. `warnings` are sentences for a person; nothing in them stops a bind.
    """

    servers: tuple[str, ...] = ()
    ipx_servers: tuple[str, ...] = ()
    control_port: int = CONTROL_PORT
    common_disable: str = ""
    wspcfg: tuple[Application, ...] = ()
    mspclnt: tuple[Application, ...] = ()
    lat: LocalAddressTable = NO_TABLE
    warnings: tuple[str, ...] = ()

    @classmethod
    def for_server(cls, host: str, port: int, *, application: str, origin: str) -> Self:
        """Give the configuration of an enabled client that binds every port on this server."""
        section = Application(name=application, origin=origin, server=ALL_PORTS)
        return cls(servers=(host,), control_port=port, wspcfg=(section,))

    def section_for(self, application: str) -> Application | None:
        """
        Find the section that an application's binds go by; the first hit wins whole.

        WSPCFG.INI comes before MSPCLNT.INI; in each, the application's own section comes before
        `[Common Configuration]`, and that before version 1.0's `[Wsp client]`.
        """
        for sections in (self.wspcfg, self.mspclnt):
            for wanted in (application, COMMON, VERSION_1):
                for section in sections:
                    if section.name.casefold() == wanted.casefold():
                        return section
        return None

    def servers_for(self, application: str) -> tuple[str, ...]:
        """Give the servers that an application uses: its `ForceProxy`, else everybody's."""
        section = self.section_for(application)
        return (section.force_proxy,) if section and section.force_proxy else self.servers


def load_client_config(
    *, mspclnt: Path | None = None, wspcfg: Path | None = None, lat: Sequence[Path] = ()
) -> ClientConfig:
    """
    Read the files that are given; raises `ConfigError` that names file, line and key.

    Unknown keys, lines that are no INI, and a port that two lists claim are warnings.
    """
    general = ClientConfig()
    if mspclnt is not None:
        general = parse_mspclnt(read_ansi(mspclnt, "mspclnt"), mspclnt.name)
    applications: tuple[Application, ...] = ()
    warnings = general.warnings
    if wspcfg is not None:
        applications, more = parse_wspcfg(read_ansi(wspcfg, "wspcfg"), wspcfg.name)
        warnings += more
    table = NO_TABLE
    for path in lat:
        table = table.united(parse_lat(read_ansi(path, "lat"), path.name))
    return ClientConfig(
        servers=general.servers,
        ipx_servers=general.ipx_servers,
        control_port=general.control_port,
        common_disable=general.common_disable,
        wspcfg=applications,
        mspclnt=general.mspclnt,
        lat=table,
        warnings=warnings,
    )


def parse_mspclnt(text: str, name: str) -> ClientConfig:
    """Read MSPCLNT.INI; raises `ConfigError`."""
    ini = parse_ini(text, name)
    warnings = list(ini.warnings)
    warnings += check_general(ini)
    sections = _applications(ini, warnings)
    common = ini.get("Common")
    port = common.get("Port") if common else None
    everybody = next((one for one in sections if one.name.casefold() == COMMON.casefold()), None)
    return ClientConfig(
        servers=_servers(ini, warnings),
        ipx_servers=_numbered(ini.get("Servers Ipx Addresses"), lambda entry: entry.value),
        control_port=_convert(ini, common, port, _control_port)
        if common and port
        else CONTROL_PORT,
        common_disable=everybody.origin if everybody and everybody.disable else "",
        mspclnt=sections,
        warnings=tuple(warnings),
    )


def parse_wspcfg(text: str, name: str) -> tuple[tuple[Application, ...], tuple[str, ...]]:
    """Read WSPCFG.INI: its sections, and the warnings; raises `ConfigError`."""
    ini = parse_ini(text, name)
    warnings = list(ini.warnings)
    if blank_edges(text):
        warnings.append(f"{name}: blank lines at its start or end; KB Q181420 wants none")
    warnings += [
        f"{name}, line {section.line}: [{section.name}] belongs into MSPCLNT.INI; ignored"
        for section in ini.sections
        if is_general(section)
    ]
    return _applications(ini, warnings), tuple(warnings)


def parse_lat(text: str, name: str) -> LocalAddressTable:
    """Read one LAT file; raises `ConfigError`. Blank lines and lines after `;` are passed over."""
    ranges = []
    for number, raw in enumerate(split_lines(text), start=1):
        line = raw.strip()
        if not line or line.startswith(";"):
            continue
        try:
            ranges.append(parse_lat_line(line))
        except ValueError as error:
            raise ConfigError("lat", str(error), origin=f"{name}, line {number}") from None
    return LocalAddressTable(tuple(ranges), known=True)


def _applications(ini: IniFile, warnings: list[str]) -> tuple[Application, ...]:
    """Read the applications' sections; of two with one name the first counts, as in Windows."""
    found: dict[str, Application] = {}
    for section in ini.sections:
        name = section.name.casefold()
        if is_general(section):
            continue
        if name in found:
            warnings.append(f"{ini.name}, line {section.line}: [{section.name}] again; ignored")
            continue
        if name.endswith(".exe"):
            warnings.append(
                f"{ini.name}, line {section.line}: [{section.name}] is no application's; write "
                "its name without .exe (KB Q181420)"
            )
        found[name] = _application(ini, section, warnings)
    return tuple(found.values())


def _application(ini: IniFile, section: Section, warnings: list[str]) -> Application:
    """Read one application's section; what it does not know becomes a warning."""
    lists: dict[str, PortSet] = {}
    flags: set[str] = set()
    bind_ip: tuple[tuple[int, IPv4Address], ...] = ()
    force_proxy = ""
    for entry in first_of_each(ini, section, warnings):
        key = entry.key.casefold()
        if key in _PORT_LISTS:
            lists[_PORT_LISTS[key]] = _convert(ini, section, entry, PortSet.parse)
        elif key in _FLAGS:
            if _convert(ini, section, entry, _flag):
                flags.add(key)
        elif key == "proxybindip":
            bind_ip = _convert(ini, section, entry, _proxy_bind_ip)
        elif key == "forceproxy":
            force_proxy = _convert(ini, section, entry, _force_proxy)
        elif problem := without_meaning(entry):
            warnings.append(
                f"{ini.name}, line {entry.line}: [{section.name}] {entry.key} {problem}; ignored"
            )
    application = Application(
        name=section.name,
        origin=f"{ini.name}, line {section.line}",
        proxy_bind_ip=bind_ip,
        force_proxy=force_proxy,
        disable="disable" in flags,
        persistent="persistent" in flags,
        kill_old_session="killoldsession" in flags,
        force_credentials="forcecredentials" in flags,
        **lists,
    )
    warnings.extend(_overlaps(application))
    return application


def _overlaps(section: Application) -> list[str]:
    """Tell each port that two lists claim; the order here is the order in which they count."""
    lists = (
        ("LocalBindTcpPorts", section.local),
        ("RemoteBindTcpPorts", section.remote),
        ("ServerBindTcpPorts", section.server),
        ("MultipleAccessTcpPorts", section.multiple),
    )
    return [
        f"{section.origin}: [{section.name}] port {format_ranges(both)} is in {first} and "
        f"{second}; {first} counts"
        for index, (first, one) in enumerate(lists)
        for second, two in lists[index + 1 :]
        if (both := one.overlap(two))
    ]


def _servers(ini: IniFile, warnings: list[str]) -> tuple[str, ...]:
    """Read `[Servers Ip Addresses]`: addresses, which need no look-up, come before the name."""
    section = ini.get("Servers Ip Addresses")
    if section is None:
        return ()
    servers = _numbered(section, lambda entry: _convert(ini, section, entry, _ipv4))
    name = section.get("Name")
    if name is None or not name.value:
        return servers
    if servers:
        warnings.append(
            f"{ini.name}, line {name.line}: [{section.name}] has Addr1= and Name=; Addr1= counts"
        )
    return (*servers, name.value)


def _numbered(section: Section | None, read: Callable[[Entry], str]) -> tuple[str, ...]:
    """Read `Addr1=`, `Addr2=`... in the order of their numbers."""
    found = [
        (address_number(entry), read(entry))
        for entry in (section.entries if section else ())
        if address_number(entry)
    ]
    return tuple(value for _, value in sorted(found) if value)


def _convert(
    ini: IniFile, section: Section, entry: Entry, convert: Callable[[str], _Value]
) -> _Value:
    """Read a value, and turn `ValueError` into the error that names file, line and key."""
    try:
        return convert(entry.value)
    except ValueError as error:
        raise ConfigError(
            f"[{section.name}] {entry.key}", str(error), origin=f"{ini.name}, line {entry.line}"
        ) from None


def _flag(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError(f"{text!r} is neither 0 nor 1")
    return text == "1"


def _control_port(text: str) -> int:
    if (port := parse_port(text)) == 0:
        raise ValueError("0 is no port to send to")
    return port


def _ipv4(text: str) -> str:
    try:
        return str(IPv4Address(text)) if text else ""
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv4 address; a name goes into Name=") from None


def _proxy_bind_ip(text: str) -> tuple[tuple[int, IPv4Address], ...]:
    pairs = []
    for item in text.split(",") if text.strip() else ():
        port, _, address = item.partition(":")
        try:
            pairs.append((parse_port(port), IPv4Address(address.strip())))
        except ValueError:
            raise ValueError(f"{item.strip()!r} is not PORT:ADDRESS") from None
    return tuple(pairs)


def _force_proxy(text: str) -> str:
    kind, colon, server = text.partition(":")
    if colon and kind.strip().casefold() == "x":
        raise ValueError(f"{text!r} is an IPX address; bindpost reaches proxies over IP only")
    if not colon or kind.strip().casefold() not in {"i", "n"} or not server.strip():
        raise ValueError(f"{text!r} is neither i:ADDRESS nor n:NAME")
    return _ipv4(server.strip()) if kind.strip().casefold() == "i" else server.strip()
