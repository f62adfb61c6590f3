"""The Proxy Client's rules for bind(), as data: what its files say, first to fit counts."""

from __future__ import annotations

from typing import Final

from ..bindpath import Direction, Rule
from .client_config import Application, ClientConfig
from .ranges import PortSet

DOCUMENTATION: Final = "Proxy Server 2.0 documentation"
BOOK: Final = "Proxy Server 1.0, appendix D"

_NOT_IPV4: Final = Rule(
    direction=Direction.LOCAL,
    words="the Winsock Proxy redirects TCP/IP version 4 only",
    source=BOOK,
    not_ipv4=True,
)


def bind_rules(config: ClientConfig, application: str, *, enabled: bool = True) -> tuple[Rule, ...]:
    """
    Give the rules that one application's binds go by, first to fit counts.

    `enabled` is the box in the Proxy Client's control panel. The last rule fits every endpoint.
    """
    if not enabled:
        return (_everywhere(Direction.LOCAL, "the Proxy Client is disabled", "KB Q203116"),)
    if config.common_disable:
        words = f"[Common Configuration] Disable=1 ({config.common_disable})"
        return (_everywhere(Direction.LOCAL, words, DOCUMENTATION),)
    section = config.section_for(application)
    if section is not None and section.disable:
        words = f"[{section.name}] Disable=1 ({section.origin})"
        return (_everywhere(Direction.LOCAL, words, "KB Q254909, Q231878"),)
    # Without a server that IP reaches, what should go to the proxy goes nowhere.
    there = Direction.REMOTE if config.servers_for(application) else Direction.REFUSED
    rules = [_NOT_IPV4]
    if section is not None:
        rules += _port_rules(section, there)
    rules += _network_rules(config, there)
    return (*rules, _undecided(config, application))


def _port_rules(section: Application, there: Direction) -> list[Rule]:
    """Give the rules of a section's port lists, in the order in which they count."""
    lists = (
        (Direction.LOCAL, "LocalBindTcpPorts", section.local, DOCUMENTATION),
        (there, "RemoteBindTcpPorts", section.remote, DOCUMENTATION),
        (there, "ServerBindTcpPorts", section.server, "KB Q181420, Q222553"),
        (there, "MultipleAccessTcpPorts", section.multiple, BOOK),
    )
    return [
        Rule(
            direction=direction,
            words=f"[{section.name}] {key}={_short(ports)} ({section.origin})",
            source=source,
            ports=ports,
        )
        for direction, key, ports, source in lists
        if ports
    ]


def _network_rules(config: ClientConfig, there: Direction) -> list[Rule]:
    """Give the rules about the network: addresses outside the LAT, and a network without IP."""
    rules = []
    if config.lat.known:
        rules.append(
            Rule(
                direction=there,
                words="the address is not in the Local Address Table",
                source=BOOK,
                outside=config.lat,
            )
        )
    if config.ipx_servers and there is Direction.REFUSED:
        rules.append(_everywhere(there, "the proxy is reached over IPX only", BOOK))
    return rules


def _undecided(config: ClientConfig, application: str) -> Rule:
    """Give the last rule: an enabled client greets its server; without a server it does nothing."""
    if config.servers_for(application):
        return _everywhere(
            Direction.OPEN,
            "the Proxy Client is enabled and its files do not decide this bind"
            f"{_missed(config, application)}; it asks its server first",
            "KB Q193928, Q203116",
        )
    return _everywhere(
        Direction.LOCAL, "the files neither decide this bind nor name a server", BOOK
    )


def _missed(config: ClientConfig, application: str) -> str:
    """Say that WSPCFG.INI is there and means other programs: mostly the name is misspelt."""
    if not config.wspcfg or config.section_for(application) is not None:
        return ""
    others = ", ".join(f"[{section.name}]" for section in config.wspcfg[:3])
    return f" (wspcfg has {others}, and no [{application}])"


def _everywhere(direction: Direction, words: str, source: str) -> Rule:
    return Rule(direction=direction, words=words, source=source)


def _short(ports: PortSet, limit: int = 40) -> str:
    """Write a port list for a sentence, cut when it is long."""
    text = str(ports)
    return text if len(text) <= limit else f"{text[:limit]}..."
