"""The Proxy Client's files, and our own settings, of any bytes."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from bindpost.config.endpoint import Endpoint
from bindpost.config.load import load
from bindpost.errors import ConfigError
from bindpost.proxy.winsock.client_config import (
    ClientConfig,
    load_client_config,
    parse_lat,
    parse_mspclnt,
    parse_wspcfg,
)
from bindpost.proxy.winsock.ini import decode_ansi
from bindpost.proxy.winsock.provider import WinsockProvider

from ..grammar import Grammar
from ..target import Target, chance_of, corpus

READERS: Final = (parse_mspclnt, parse_wspcfg, parse_lat)
SECTIONS: Final = [
    b"[msexcimc]",
    b"[Common]",
    b"[Common Configuration]",
    b"[Servers Ip Addresses]",
    b"[Servers Ipx Addresses]",
    b"[Master Config]",
    b"[listener]",
    b"[[listener]]",
    b"[path.lab]",
    b"[ims]",
    b"[limits]",
    b"[auth]",
    b"[web_access]",
    b"[[mailbox]]",
]
KEYS: Final = [
    b"Disable",
    b"Port",
    b"Addr1",
    b"Addr2",
    b"Name",
    b"WWW-Proxy",
    b"ServerBindTcpPorts",
    b"RemoteBindTcpPorts",
    b"LocalBindTcpPorts",
    b"LocalBindUdpPorts",
    b"ProxyBindIp",
    b"Persistent",
    b"KillOldSession",
    b"ForceProxy",
    b"ForceCredentials",
    b"NameResolution",
    b"endpoint",
    b"via",
    b"type",
    b"mspclnt",
    b"sessions",
    b"users",
    b"RelayFlags",
    b"name",
    b"domains",
]
VALUES: Final = [
    b"0",
    b"1",
    b"1745",
    b"10.0.0.1",
    b"25, 110-113",
    b"25:10.0.0.1",
    b"i:10.0.0.1",
    b"n:PROXY",
    b"L",
    b"R",
    b"PROXY",
    b"65536",
    b"99999999999999999999",
    b"\xb2",
    b"'x'",
    b'"x"',
    b"[]",
    b'["a", "b"]',
    b"{a = 1}",
    b"1979-05-27",
    b"nan",
    b'"winsock://10.0.0.1"',
    b"10.0.0.0\t10.255.255.255",
    b"10.0.0.0 255.0.0.0",
]
WORDS: Final = [
    *SECTIONS,
    *(key + b"=" + value for key in KEYS for value in VALUES),
    *VALUES,
    b"; x",
]
ENDS: Final = [b"\r\n"] * 4 + [
    b"\n",
    b"\r",
    b"\0\n",
    b"\x1a",
    b" \r\n",
    b"",
]


class IniTarget(Target):
    """
    A file is read, or refused with a sentence that names it; what is read can be used.

    One in 32 is also read from a file, as `bindpost.toml` too, which has the same form from afar.
    """

    name = "ini"

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._file = Path(self._folder.name) / "FILE"

    @property
    def grammar(self) -> Grammar:
        """Sections and keys of both kinds of file."""
        return Grammar(WORDS, ENDS, seeds=[path.read_bytes() for path in corpus(self.name)])

    async def play(self, data: bytes) -> None:
        """Read a file by every reader."""
        for problem in problems_of(data):
            assert "FILE" in problem, problem
        if chance_of(data).randrange(32) == 0:
            self._read_from_file(data)

    async def play_every_way(self, data: bytes) -> None:
        """Read a file from its bytes, and from the disk."""
        await self.play(data)
        self._read_from_file(data)

    def _read_from_file(self, data: bytes) -> None:
        self._file.write_bytes(data)
        with suppress(ConfigError):
            load(file=self._file, environ={})
        with suppress(ConfigError):
            use(load_client_config(mspclnt=self._file, wspcfg=self._file, lat=[self._file]))

    async def serve_honestly(self) -> None:
        """See that an article's file says what it says."""
        config = parse_mspclnt("[Servers Ip Addresses]\nAddr1=10.0.0.1\nName=PROXY\n", "FILE")
        assert "10.0.0.1" in config.servers

    async def close(self) -> None:
        """Delete what was written."""
        self._folder.cleanup()


def problems_of(data: bytes) -> list[str]:
    """Give what every reader says of a file that it refuses; nothing else may be raised."""
    problems = []
    for parse in READERS:
        try:
            found = parse(decode_ansi(data, "FILE", "key"), "FILE")
        except ConfigError as error:
            problems.append(str(error))
        else:
            if isinstance(found, ClientConfig):
                use(found)
    return problems


def use(config: ClientConfig) -> None:
    """Decide by a configuration where a bind goes, which asks nobody."""
    for endpoint in (Endpoint("127.0.0.1", 25), Endpoint("0.0.0.0", 0)):
        assert WinsockProvider(config).decide(endpoint).rule


TARGET = IniTarget
