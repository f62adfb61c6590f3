"""
The truth table of KB Q203116: which proxy there is, what its client does, what WSPCFG.INI says.

Each cell is tried against real stand-ins; docs/winsock-proxy.md shows the same table.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.load import load
from bindpost.errors import BindError
from bindpost.proxy.local import free_port
from bindpost.proxy.provider import BindProvider
from bindpost.proxy.registry import provider_of
from bindpost.proxy.socks.standin import SocksServer
from bindpost.proxy.winsock.standin import WinsockProxyServer

PAGE = Path(__file__).parents[2] / "docs" / "winsock-proxy.md"
INSIDE, OUTSIDE, PEER = "127.0.0.1", "127.0.0.2", "127.0.0.9"
BANNER = b"220 hello\r\n"


class Outcome(StrEnum):
    """What becomes of the bind of port 25."""

    LOCAL = "local"
    PROXY = "on the proxy"
    DOWN = "4007 (10050)"


LOCAL, PROXY, DOWN = Outcome


@dataclass(frozen=True)
class Cell:
    """An outcome; `choice` when no source has this case and bindpost chose."""

    outcome: Outcome
    choice: bool = False

    def __str__(self) -> str:
        return f"{self.outcome} \\*" if self.choice else str(self.outcome)


@dataclass(frozen=True)
class Row:
    """A row of the table: one cell for each WSPCFG.INI, and the reason."""

    proxy: str
    client: str
    cells: tuple[Cell, Cell, Cell, Cell]
    why: str


WSPCFG = {
    "no WSPCFG.INI": None,
    "ServerBindTcpPorts": "ServerBindTcpPorts={port}",
    "LocalBindTcpPorts": "LocalBindTcpPorts={port}",
    "Disable=1": "Disable=1",
}
ALL_LOCAL = (Cell(LOCAL),) * 4
NO_CLIENT = "nothing stands between the program and Winsock; its files mean nothing"
DISABLED = "the cure of Q203116; a disabled client redirects nothing, whatever its files say"
UNUSABLE = (Cell(DOWN, choice=True), Cell(DOWN), Cell(LOCAL, choice=True), Cell(LOCAL, choice=True))
TABLE = (
    Row("none", "absent", ALL_LOCAL, NO_CLIENT),
    Row("none", "disabled", ALL_LOCAL, DISABLED),
    Row(
        "none",
        "enabled",
        UNUSABLE,
        "Q193928. Without WSPCFG.INI: the articles have 10050 and do not speak of that file, so "
        "the client must ask its server before it lets a bind pass. LocalBind, Disable: what the "
        "keys say, attested for other programs (Q254909)",
    ),
    Row("Microsoft", "absent", ALL_LOCAL, NO_CLIENT + "; port 25 is not reached from outside"),
    Row("Microsoft", "disabled", ALL_LOCAL, "a disabled client redirects nothing"),
    Row(
        "Microsoft",
        "enabled",
        (Cell(LOCAL), Cell(PROXY), Cell(LOCAL), Cell(LOCAL)),
        "Q181420: port 25 gets onto the proxy by ServerBindTcpPorts; a bind that the files do not "
        "decide is local (Proxy Server 1.0, appendix D)",
    ),
    Row("another", "absent", ALL_LOCAL, "the end state that Q203116 wants with another proxy"),
    Row("another", "disabled", ALL_LOCAL, DISABLED),
    Row(
        "another",
        "enabled",
        UNUSABLE,
        "the case of Q203116, and Q193928 B; the choices are those of the row without a proxy",
    ),
)
CELLS = [
    pytest.param(row.proxy, row.client, wspcfg, cell, id=f"{row.proxy}-{row.client}-{wspcfg}")
    for row in TABLE
    for wspcfg, cell in zip(WSPCFG, row.cells, strict=True)
]


def as_markdown() -> str:
    """Give the table as the page has it."""
    lines = [
        f"| proxy | client | {' | '.join(WSPCFG)} | why |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.proxy} | {row.client} | {' | '.join(map(str, row.cells))} | {row.why} |"
        for row in TABLE
    ]
    return "\n".join(lines)


def test_the_table_has_every_case() -> None:
    """Three proxies and three states of the client make nine rows, each once."""
    cases = {(row.proxy, row.client) for row in TABLE}

    assert len(cases) == len(TABLE) == 9


def test_the_page_shows_the_table() -> None:
    """docs/winsock-proxy.md has it, row by row."""
    assert as_markdown() in PAGE.read_text(encoding="utf-8")


class Banner(asyncio.Protocol):
    """Says a line and goes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say it."""
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(BANNER)
        transport.close()


@asynccontextmanager
async def proxy_there(kind: str) -> AsyncIterator[int]:
    """Have a proxy at the address that the client's files give; its control port."""
    port = free_port(INSIDE, kinds=(socket.SOCK_STREAM, socket.SOCK_DGRAM))
    if kind == "Microsoft":
        async with WinsockProxyServer(INSIDE, OUTSIDE, port):
            yield port
    elif kind == "another":
        async with SocksServer(INSIDE, port, external=OUTSIDE):
            yield port
    else:
        yield port


def machine(folder: Path, client: str, wspcfg: str, *, port: int, control: int) -> BindProvider:
    """Set the Exchange machine up, and give what its listener binds through."""
    via = "direct:" if client == "absent" else "lab"
    text = (
        f'[[listener]]\nendpoint = "{INSIDE}:{port}"\nvia = "{via}"\n'
        '[path.lab]\ntype = "winsock"\nmspclnt = "mspclnt.ini"\ntries = 2\ninterval = 0.1\n'
        f"enabled = {str(client == 'enabled').lower()}\n"
    )
    (folder / "mspclnt.ini").write_text(
        f"[Servers Ip Addresses]\nAddr1={INSIDE}\n[Common]\nPort={control}\n"
    )
    if (line := WSPCFG[wspcfg]) is not None:
        (folder / "wspcfg.ini").write_text(f"[MSEXCIMC]\n{line.format(port=port)}\n")
        text += 'wspcfg = "wspcfg.ini"\n'
    (folder / "bindpost.toml").write_text(text)
    loaded = load(file=folder / "bindpost.toml", flags={})
    return provider_of(loaded.settings.listener[0], loaded.settings, loaded.folder)


async def answers(host: str, port: int) -> bool:
    """Say whether a peer that dials this address gets the banner."""
    try:
        reader, writer = await asyncio.open_connection(host, port, local_addr=(PEER, 0))
    except ConnectionRefusedError:
        return False
    line = await reader.read()
    writer.close()
    return line == BANNER


@pytest.mark.parametrize(("proxy", "client", "wspcfg", "cell"), CELLS)
async def test_each_cell_comes_out_as_the_table_says(
    tmp_path: Path, proxy: str, client: str, wspcfg: str, cell: Cell
) -> None:
    """The bind succeeds or fails as told, is reached as told, and `check` foretells it."""
    async with proxy_there(proxy) as control:
        port = free_port(INSIDE, OUTSIDE)
        provider = machine(tmp_path, client, wspcfg, port=port, control=control)
        endpoint = Endpoint(INSIDE, port)
        foretold = next((h.code for h in await provider.diagnose(endpoint) if h.ok is False), None)

        code = None
        listener = None
        try:
            listener = await provider.create_server(Banner, endpoint)
            reached = (await answers(INSIDE, port), await answers(OUTSIDE, port))
        except BindError as error:
            code = error.code
            reached = (await answers(INSIDE, port), await answers(OUTSIDE, port))
        finally:
            if listener is not None:
                listener.close()
                await listener.wait_closed()

    assert code == foretold == (10050 if cell.outcome is DOWN else None)
    assert (
        reached == {LOCAL: (True, False), PROXY: (True, True), DOWN: (False, False)}[cell.outcome]
    )
