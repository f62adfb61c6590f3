"""The servers that scripts/bench ingest compares: each a process of its own that takes mail."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from bench_servers import program

from bindpost.proxy.ssh.openssh import free_port

SINK: Final = "Postfix `smtp-sink`"
SINK_AGAIN: Final = f"{SINK} again"
"""The base a second time: what its ratios show is noise."""
AIOSMTPD: Final = "aiosmtpd, null"
STOCK_NULL: Final = "stock engine, null"
FAST_NULL: Final = "fast engine, null"
FAST_MEMORY: Final = "fast engine, memory"
SERVE: Final = "`bindpost serve`, durable"

_SERVER: Final = Path(__file__).with_name("bench_ingest_server.py")
_PATIENCE: Final = 20.0


class Contestant(NamedTuple):
    """A server that runs: its name in the table, and its port on loopback."""

    name: str
    port: int


Start = Callable[[str], AbstractAsyncContextManager[Contestant]]
"""Starts a server of that name."""


@asynccontextmanager
async def running(
    *command: str | Path, quiet: bool = True
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program until the block is left."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL if quiet else None,
    )
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


def answering(port: int) -> None:
    """Return when somebody greets at a port."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as peer:
                peer.recv(1)
        except ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


@asynccontextmanager
async def sink(name: str) -> AsyncIterator[Contestant]:
    """Run Postfix's smtp-sink, which reads and discards."""
    port = free_port()
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    path = program("smtp-sink")
    assert path is not None
    async with running(path, *user, f"127.0.0.1:{port}", "1024"):
        await asyncio.to_thread(answering, port)
        yield Contestant(name, port)


def ours(*arguments: str) -> Start:
    """Give what runs a server of bench_ingest_server.py."""

    @asynccontextmanager
    async def start(name: str) -> AsyncIterator[Contestant]:
        async with running(sys.executable, _SERVER, *arguments, quiet=False) as process:
            assert process.stdout is not None
            yield Contestant(name, int(await process.stdout.readline()))

    return start


@asynccontextmanager
async def serve(name: str) -> AsyncIterator[Contestant]:
    """Run `bindpost serve` as it is, with its store on the disk, where nobody reads its log."""
    with tempfile.TemporaryDirectory(prefix="bindpost-bench-") as folder:
        ready = Path(folder, "ready.json")
        command = (
            *(sys.executable, "-m", "bindpost", "serve", "--listen", "127.0.0.1:0"),
            *("--web", "off", "--data", folder, "--ready-file", str(ready)),
        )
        async with running(*command):
            yield Contestant(name, await asyncio.to_thread(_port_told_in, ready))


def _port_told_in(ready: Path) -> int:
    """Wait for a ready file; gives the port of the first listener."""
    deadline = time.monotonic() + _PATIENCE
    while not ready.exists():
        if time.monotonic() > deadline:
            sys.exit(f"bindpost serve is not ready after {_PATIENCE:g} s")
        time.sleep(0.02)
    endpoint: str = json.loads(ready.read_text(encoding="utf-8"))["smtp"][0]
    return int(endpoint.rpartition(":")[2])


def contestants(loop: str) -> Mapping[str, Start]:
    """Give the servers in the order of the table, the base first; `loop` is that of ours."""
    return {
        SINK: sink,
        SINK_AGAIN: sink,
        AIOSMTPD: ours("--loop", "asyncio", "aiosmtpd"),
        STOCK_NULL: ours("--loop", loop, "bindpost", "stock", "null"),
        FAST_NULL: ours("--loop", loop, "bindpost", "fast", "null"),
        FAST_MEMORY: ours("--loop", loop, "bindpost", "fast", "memory"),
        SERVE: serve,
    }


def source(arguments: Sequence[str], port: int) -> None:
    """Run Postfix's smtp-source against a port. Ends this program when it fails."""
    path = program("smtp-source")
    assert path is not None
    command = [str(path), *arguments, f"127.0.0.1:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode or done.stderr:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
