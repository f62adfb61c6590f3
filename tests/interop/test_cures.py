"""Q203116 and Q193928: each fault gives 10050, and the cure that its article states ends it."""

import asyncio
import os
from pathlib import Path

import pytest

from bindpost.proxy.local import free_port
from bindpost.proxy.winsock.standin import WinsockProxyServer
from bindpost.testing import Serve, Serving

PROXY, OUTSIDE, PEER = "127.0.0.1", "127.0.0.2", "127.0.0.9"

TOML = """
[[listener]]
endpoint = "127.0.0.1:{port}"
via = "lab"

[path.lab]
type = "winsock"
mspclnt = "mspclnt.ini"
wspcfg = "wspcfg.ini"
tries = 2
interval = 0.1
"""
WSPCFG = "[MSEXCIMC]\nServerBindTcpPorts={port}\nPersistent=1\nKillOldSession=1\n"


class Exchange:
    """The Exchange machine: its client files, and the service started on them."""

    def __init__(self, folder: Path, serve: Serve) -> None:
        self.port = free_port(PROXY, OUTSIDE)
        self._folder = folder
        self._serve = serve
        (folder / "bindpost.toml").write_text(TOML.format(port=self.port))
        (folder / "wspcfg.ini").write_text(WSPCFG.format(port=self.port))

    def configure(self, server: str, *, control_port: int, more: str = "") -> None:
        """Write mspclnt.ini; `server` is the line of [Servers Ip Addresses]."""
        (self._folder / "mspclnt.ini").write_text(
            f"[Servers Ip Addresses]\n{server}\n[Common]\nPort={control_port}\n{more}"
        )

    def _start(self, *prefix: str) -> Serving:
        # No --listen: the file says where.
        config = str(self._folder / "bindpost.toml")
        return self._serve("--config", config, listen="", prefix=prefix)

    async def fails(self) -> None:
        """The service starts as IMS did when it could not: 4007 with 10050, 4020, exit 69."""
        serving = self._start()
        assert await asyncio.to_thread(serving.wait_end) == 69
        assert serving.event_ids()[-3:-1] == [4007, 4020]
        record = next(record for record in serving.records if record.get("EventID") == 4007)
        assert record["Data"] == ["10050"]

    async def starts(self, *prefix: str) -> Serving:
        """The service starts and is ready."""
        return await asyncio.to_thread(self._start(*prefix).wait_ready)


async def banner(host: str, port: int) -> bytes:
    """Connect from the outside and give the banner."""
    reader, writer = await asyncio.open_connection(host, port, local_addr=(PEER, 0))
    line = await reader.readline()
    writer.close()
    return line


@pytest.fixture
def exchange(tmp_path: Path, serve: Serve) -> Exchange:
    """Give an Exchange machine with WSPCFG.INI as Q181420 has it."""
    return Exchange(tmp_path, serve)


async def dead_port() -> int:
    """Give a UDP port on which nothing listens any more."""
    async with WinsockProxyServer(PROXY, OUTSIDE) as proxy:
        return proxy.address.port


@pytest.mark.parametrize(
    "switch",
    ["[Common Configuration]\nDisable=1\n", "[msexcimc]\nDisable=1\n"],
    ids=["for all", "for msexcimc"],
)
async def test_another_proxy_disable_the_client(
    exchange: Exchange, tmp_path: Path, switch: str
) -> None:
    """Q203116, Q193928 B: there is no Microsoft proxy; with its client disabled IMS binds."""
    port = await dead_port()
    exchange.configure(f"Addr1={PROXY}", control_port=port)
    await exchange.fails()

    (tmp_path / "wspcfg.ini").unlink()
    (tmp_path / "bindpost.toml").write_text(
        (tmp_path / "bindpost.toml").read_text().replace('wspcfg = "wspcfg.ini"\n', "")
    )
    exchange.configure(f"Addr1={PROXY}", control_port=port, more=switch)
    await exchange.starts()

    assert (await banner(PROXY, exchange.port)).startswith(b"220 ")


async def test_with_microsoft_proxy_use_its_client(exchange: Exchange) -> None:
    """Q203116: with Microsoft Proxy Server there, the client binds on it, and the world gets in."""
    port = await dead_port()
    exchange.configure(f"Addr1={PROXY}", control_port=port)
    await exchange.fails()

    async with WinsockProxyServer(PROXY, OUTSIDE, port):
        serving = await exchange.starts()

        assert (await banner(OUTSIDE, exchange.port)).startswith(b"220 ")
        assert (await banner(PROXY, exchange.port)).startswith(b"220 ")
        assert await asyncio.to_thread(serving.stop) == 0


async def test_address_in_place_of_the_name(exchange: Exchange) -> None:
    """Q193928 A: `Name=` that can't be used gives 10050; the proxy's address cures it."""
    async with WinsockProxyServer(PROXY, OUTSIDE) as proxy:
        exchange.configure("Name=NETBIOSNAME.invalid", control_port=proxy.address.port)
        await exchange.fails()

        exchange.configure(f"Addr1={PROXY}", control_port=proxy.address.port)
        await exchange.starts()

        assert (await banner(OUTSIDE, exchange.port)).startswith(b"220 ")


async def test_entry_in_the_hosts_file(exchange: Exchange, tmp_path: Path) -> None:
    """Q193928 D: a name that does not resolve gives 10050; a line in the hosts file cures it."""
    if os.geteuid() != 0:
        pytest.skip("unshare, as root, is needed for a hosts file of its own")
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{PROXY} proxy.lab.invalid\n")
    own_hosts = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"']
    async with WinsockProxyServer(PROXY, OUTSIDE) as proxy:
        exchange.configure("Name=proxy.lab.invalid", control_port=proxy.address.port)
        await exchange.fails()

        await exchange.starts(*own_hosts, str(hosts))

        assert (await banner(OUTSIDE, exchange.port)).startswith(b"220 ")


async def test_peer_through_the_proxy_is_the_internet_peer(exchange: Exchange) -> None:
    """A message that came through the proxy is kept with the address of the host outside."""
    async with WinsockProxyServer(PROXY, OUTSIDE) as proxy:
        exchange.configure(f"Addr1={PROXY}", control_port=proxy.address.port)
        serving = await exchange.starts()
        reader, writer = await asyncio.open_connection(OUTSIDE, exchange.port, local_addr=(PEER, 0))
        await reader.readline()
        for line in (b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>", b"DATA", b"Subject: out\r\n\r\n."):
            writer.write(line + b"\r\n")
            assert (await reader.readline())[:1] in b"23"
        writer.close()

        (row,) = await asyncio.to_thread(serving.client.messages)

    assert (row.session.peer or "").startswith(f"{PEER}:")
