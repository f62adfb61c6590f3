"""The servers that scripts/bench compares, each a process of its own: others', ours, and peers."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final

import msgspec
from bench_process import HERE, BenchError, Server, data_folder, greets, running, until
from bench_servers import program

from bindpost.config.model import Settings
from bindpost.proxy.local import free_port

SINK: Final = "Postfix `smtp-sink`"
SINK_AGAIN: Final = f"{SINK} again"
"""The base a second time: what its ratios show is noise."""
AIOSMTPD: Final = "aiosmtpd `Sink`"
AIOSMTPD_AGAIN: Final = f"{AIOSMTPD} again"
OURS: Final = "bindpost"
"""What the names of our own servers begin with."""
DURABLE: Final = f"{OURS}, durable"
STOCK: Final = f"{OURS}, stock engine"
IN_MEMORY: Final = "500"
"""Messages that a store in memory keeps, so that a long run does not fill the machine."""

_BARE: Final = Path(__file__).with_name("bench_bare_server.py")
_SESSIONS: Final = 20_000
"""Sessions that are allowed at once, where that is to be said."""

Start = Callable[[str], AbstractContextManager[Server]]
"""Starts a server of that name."""


def known(name: str) -> bool:
    """Say whether the bindpost that is measured has a setting."""
    return name in {field.encode_name for field in msgspec.structs.fields(Settings)}


@contextmanager
def _started(name: str, command: Sequence[str | Path], folder: Path, port: int) -> Iterator[Server]:
    with running(command, folder) as process:
        until(lambda: greets(port), process, folder)
        yield Server(name, process.pid, port)


@contextmanager
def sink(name: str) -> Iterator[Server]:
    """Run Postfix's smtp-sink, which reads and discards."""
    path, port = program("smtp-sink"), free_port()
    if path is None:
        raise BenchError("smtp-sink is not installed: it is in Debian's package postfix")
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    command = [path, *user, "-m", str(_SESSIONS), f"{HERE}:{port}", "1024"]
    with data_folder() as folder, _started(name, command, folder, port) as server:
        yield server


def bare(*arguments: str) -> Start:
    """Give what runs a server of bench_bare_server.py."""

    @contextmanager
    def start(name: str) -> Iterator[Server]:
        port = free_port()
        command = [sys.executable, str(_BARE), str(port), *arguments]
        with data_folder() as folder, _started(name, command, folder, port) as server:
            yield server

    return start


def serve(settings: Mapping[str, str]) -> Start:
    """Give what runs `bindpost serve` as it is, but for these settings."""

    @contextmanager
    def start(name: str) -> Iterator[Server]:
        with data_folder() as folder:
            ready = folder / "ready.json"
            environ = {
                "BINDPOST_DATA": str(folder / "data"),
                "BINDPOST_WEB": f"{HERE}:0",
                "BINDPOST_LISTEN": f"{HERE}:0",
                "BINDPOST_LIMITS__SESSIONS": str(_SESSIONS),
                "BINDPOST_READY_FILE": str(ready),
            }
            environ |= {f"BINDPOST_{key.upper()}": value for key, value in settings.items()}
            command = [sys.executable, "-m", "bindpost", "serve"]
            with running(command, folder, environ) as process:
                until(ready.exists, process, folder)
                facts = json.loads(ready.read_text(encoding="utf-8"))
                yield Server(name, process.pid, _port(facts["smtp"][0]), _port(facts["web"]))

    return start


def _port(endpoint: str) -> int:
    """Give the port of `127.0.0.1:25` or `http://127.0.0.1:80/`."""
    return int(endpoint.rstrip("/").rpartition(":")[2])


def filled(command: str, port: int, folder: Path) -> list[str]:
    """Give the parts of a peer's command, with a port and a folder in their places."""
    places = {"{smtp}": str(port), "{web}": str(free_port()), "{data}": str(folder)}
    parts = shlex.split(command)
    for mark, value in places.items():
        parts = [part.replace(mark, value) for part in parts]
    return parts


def peer(command: str) -> Start:
    """Give what runs somebody else's server by its command."""

    @contextmanager
    def start(name: str) -> Iterator[Server]:
        port = free_port()
        with data_folder() as folder:
            parts = filled(command, port, folder)
            with _started(name, parts, folder, port) as server:
                yield server

    return start


def named_peer(text: str) -> tuple[str, str]:
    """Read NAME=COMMAND; for argparse."""
    name, equals, command = text.partition("=")
    if not (name.strip() and equals and "{smtp}" in command):
        raise argparse.ArgumentTypeError(
            f"{text!r}: write NAME=COMMAND, with {{smtp}} where its port belongs"
        )
    return name.strip(), command


def add_peers(parser: argparse.ArgumentParser) -> None:
    """Add the option that names peers."""
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        type=named_peer,
        metavar="NAME=COMMAND",
        help="another server; {smtp} and {web} in it are ports for it, {data} is a folder",
    )


def add_servers(parser: argparse.ArgumentParser) -> None:
    """Add the options that say who is measured."""
    add_peers(parser)
    parser.add_argument(
        "--servers", default="", help="of our own, only those whose name has this in it"
    )


def ours(*, null: bool = True, memory: bool = True) -> dict[str, Start]:
    """
    Give our own servers: on the engine and the durability that `serve` has by itself, then others.

    What the installed bindpost can't be told is left out.
    """
    found = dict(_variants(OURS, {}, null=null, memory=memory))
    if known("engine"):
        found |= _variants(STOCK, {"engine": "stock"}, null=null, memory=memory)
    return found


def _variants(
    name: str, settings: Mapping[str, str], *, null: bool, memory: bool
) -> Iterable[tuple[str, Start]]:
    if null:
        yield f"{name}, null", bare("bindpost", *(f"{k}={v}" for k, v in settings.items()))
    if memory:
        in_memory = {"data": ":memory:", "retention__messages": IN_MEMORY}
        yield f"{name}, memory", serve({**settings, **in_memory})
    yield f"{name}, durable", serve(settings)
    if known("durability"):
        yield f"{name}, durable (normal)", serve({**settings, "durability": "normal"})


@contextmanager
def all_up(starts: Mapping[str, Start]) -> Iterator[dict[str, Server]]:
    """Have servers up at once, by their names."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(start(name)) for name, start in starts.items()}


def chosen(
    bases: Mapping[str, Start], own: Mapping[str, Start], options: argparse.Namespace
) -> dict[str, Start]:
    """Give who is measured, in the order of the tables: the bases, ours that are wanted, peers."""
    wanted = {name: start for name, start in own.items() if options.servers in name}
    return {**bases, **wanted, **{name: peer(command) for name, command in options.peer}}


def source(arguments: Sequence[str], port: int) -> None:
    """Run Postfix's smtp-source against a port. Ends this program when it fails."""
    path = program("smtp-source")
    if path is None:
        raise BenchError("smtp-source is not installed: it is in Debian's package postfix")
    addresses = ("-f", "a@bench.test", "-t", "b@bench.test")
    command = [str(path), *addresses, *arguments, f"{HERE}:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode or done.stderr:
        raise BenchError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
