"""`bindpost check --self-test` as its own process: its words, its status, and what it leaves."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bindpost.events import STANDIN_BOUND, EventType
from bindpost.proxy.socks.matrix import MATRIX
from bindpost.proxy.socks.standin import Fault, SocksServer
from bindpost.proxy.winsock.standin import WinsockProxyServer

SelfTest = Callable[..., Awaitable[tuple[int, list[dict[str, Any]]]]]
"""Runs `bindpost check --self-test`; see conftest.py."""
ROWS = {row.key: row for row in MATRIX}
INTERRUPTED = 130


async def check(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run `bindpost check`; gives its status and what it prints."""
    process = await start(folder, *arguments)
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def start(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    """Start `bindpost check`."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bindpost", "check", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=folder,
    )


async def test_its_words(tmp_path: Path) -> None:
    """Each step has its line; the last one says what `serve` would do."""
    status, said = await check(tmp_path, "--self-test", "--listen", "127.0.0.1:0")

    lines = [line.split()[:2] for line in said.splitlines()[1:-1]]
    assert lines[1:] == [["ok", name] for name in ("bind", "bind", "reach", "accept", "peer")]
    assert said.splitlines()[-1] == "  serve would bind it, and a test connection got in"
    assert status == 0


async def test_without_the_flag_nothing_is_bound(tmp_path: Path) -> None:
    """A proxy that would refuse the bind is not asked for it."""
    async with SocksServer(reply=0x02) as proxy:
        status, said = await check(tmp_path, "--listen", "0.0.0.0:2525", "--via", proxy.url())

    assert status == 0
    assert said.splitlines()[-1] == "  serve would bind it"


async def test_a_walk_that_fails_is_the_end(self_test: SelfTest) -> None:
    """What the walk finds is told as ever, and nothing is tried after it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        endpoint = f"127.0.0.1:{other.getsockname()[1]}"
        status, (verdict,) = await self_test("--listen", endpoint)

    assert (status, verdict["code"], verdict["reachable"]) == (69, 10048, None)
    assert [hop["name"] for hop in verdict["hops"]] == ["resolve", "bind"]
    assert "event 4007" in verdict["sentence"]


async def test_several_listeners(self_test: SelfTest, tmp_path: Path) -> None:
    """Each listener has its verdict; one that nobody reaches makes the status 69."""
    async with SocksServer(connect_reply=0x05) as proxy:
        (tmp_path / "bindpost.toml").write_text(
            f"""
            [[listener]]
            endpoint = "unix:{tmp_path}/smtp"
            [[listener]]
            endpoint = "0.0.0.0:0"
            via = "{proxy.url()}"
            """
        )
        status, verdicts = await self_test()

    assert status == 69
    assert [verdict["reachable"] for verdict in verdicts] == [True, False]
    assert [verdict["code"] for verdict in verdicts] == [None, None]
    assert verdicts[1]["sentence"].startswith("serve would bind it, but no peer can reach it: ")
    assert not (tmp_path / "smtp").exists()


async def test_a_client_that_is_never_announced(self_test: SelfTest) -> None:
    """The step's time runs out, and then nothing is left on the proxy."""
    async with SocksServer(faults=[Fault.NEVER_TELLS]) as proxy:
        status, (verdict,) = await self_test("--listen", "0.0.0.0:0", "--via", proxy.url())
        await proxy.idle()

        assert proxy.bound == []
    assert (status, verdict["code"], verdict["reachable"]) == (69, None, False)
    assert verdict["hops"][-1]["hint"] == ROWS["never-announced"].hint


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ended_in_the_middle(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, or a kill, leaves nothing on the proxy."""
    bound = asyncio.Event()

    def watch(event: EventType, /, **fields: object) -> None:
        if event is STANDIN_BOUND:
            bound.set()

    async with SocksServer(faults=[Fault.NEVER_TELLS], watch=watch) as proxy:
        process = await start(
            tmp_path, "--self-test", "--listen", "0.0.0.0:0", "--via", proxy.url()
        )
        await bound.wait()
        process.send_signal(number)
        out, err = await process.communicate()
        await proxy.idle()

        assert proxy.bound == []
    assert process.returncode == (INTERRUPTED if number is signal.SIGINT else -signal.SIGTERM)
    assert (out, err) == (b"", b"")


async def test_through_a_winsock_proxy(self_test: SelfTest) -> None:
    """The proxy's outside and the local half are both reached, and the true peer is told."""
    async with WinsockProxyServer("127.0.0.1", "127.0.0.2") as proxy:
        status, (verdict,) = await self_test("--listen", "127.0.0.1:0", "--via", proxy.url)
        await proxy.idle()

    peers = [hop for hop in verdict["hops"] if hop["name"] == "peer"]
    assert [hop["ok"] for hop in peers] == [True, True]
    assert (status, verdict["reachable"]) == (0, True)


@pytest.mark.parametrize(("trusted", "reachable"), [("127.0.0.0/8", True), ("192.0.2.7", None)])
async def test_a_proxy_protocol_listener(
    self_test: SelfTest, tmp_path: Path, trusted: str, reachable: bool | None
) -> None:
    """A header is sent where this machine is a trusted sender; else the question is left open."""
    (tmp_path / "bindpost.toml").write_text(
        f"""
        [[listener]]
        endpoint = "127.0.0.1:0"
        proxy_protocol = true
        proxy_trusted = ["{trusted}"]
        """
    )
    status, (verdict,) = await self_test()

    assert (status, verdict["reachable"]) == (0, reachable)
