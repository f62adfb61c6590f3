"""Programs that scripts/bench measures: starts one, awaits it, reads what it uses, ends it."""

from __future__ import annotations

import os
import re
import resource
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

PATIENCE: Final = 30.0
"""Seconds for a program to start or to end."""
POLL: Final = 0.001
"""Seconds between two looks whether a program has started."""
LARGE: Final = "/var/tmp"  # noqa: S108 - a folder of one's own is made in it
"""Where data folders are made: on a disk, which /tmp often is not."""
HERE: Final = "127.0.0.1"


class BenchError(SystemExit):
    """What was to be measured can't be: ends the program with a sentence."""


class Server(NamedTuple):
    """A server that runs: its name in the tables, its process, its ports on loopback."""

    name: str
    pid: int
    port: int
    web: int = 0
    """0 if it has none, or none that we know."""


@contextmanager
def data_folder() -> Iterator[Path]:
    """Give a folder on a disk for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="bindpost-bench-", dir=LARGE) as folder:
        yield Path(folder)


@contextmanager
def running(
    command: Sequence[str | Path], folder: Path, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """
    Run a program in a folder until the block is left; what it says goes to a file there.

    bindpost's own variables are not handed on, so that nobody's settings are measured.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith("BINDPOST_")}
    with (folder / "said.log").open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - commands of ours, or of whoever measures
            [str(part) for part in command],
            cwd=folder,
            env=kept | dict(environ or {}),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(happened: Callable[[], bool], process: subprocess.Popen[bytes], folder: Path) -> None:
    """Return when something has happened. Ends this program if the other one has ended before."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if process.poll() is not None or time.monotonic() > deadline:
            said = (folder / "said.log").read_text("utf-8", "replace")[-500:]
            raise BenchError(f"{process.args!r} does not start: {said}")
        time.sleep(POLL)


def greets(port: int) -> bool:
    """Say whether somebody greets at a port."""
    try:
        with socket.create_connection((HERE, port), timeout=PATIENCE) as peer:
            return bool(peer.recv(1))
    except ConnectionError:
        return False


def allow_descriptors(count: int) -> None:
    """Let this program and those that it starts have so many files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise BenchError(f"{count} open files are needed, {hard} are allowed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


def tree(pid: int) -> list[int]:
    """Give a process and all that it has started."""
    found = [pid]
    for process in found:  # grows meanwhile
        try:
            threads = list(Path(f"/proc/{process}/task").iterdir())
            found += [int(child) for t in threads for child in (t / "children").read_text().split()]
        except OSError:
            continue  # it has ended
    return found


def private_bytes(pid: int) -> int:
    """Give the memory that would be free if a process and its children were not."""
    return 1024 * _sum(pid, "smaps_rollup", r"^Private_\w+: +(\d+) kB")


def peak_bytes(pid: int) -> int:
    """Give the most memory that was resident in a process, its children added."""
    return 1024 * _sum(pid, "status", r"^VmHWM:\s+(\d+) kB")


def threads(pid: int) -> int:
    """Count the threads of a process and its children."""
    return _sum(pid, "status", r"^Threads:\s+(\d+)")


def descriptors(pid: int) -> int:
    """Count the open files of a process and its children."""
    return sum(len(os.listdir(f"/proc/{process}/fd")) for process in tree(pid))


def cpu_seconds(pid: int) -> float:
    """Give the processor time of the threads that a process and its children have."""
    return _sum(pid, "task/*/schedstat", r"\A(\d+)") / 1e9


def _sum(pid: int, files: str, form: str) -> int:
    found = 0
    for process in tree(pid):
        for path in Path(f"/proc/{process}").glob(files):
            try:
                text = path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue  # it has ended
            found += sum(int(number) for number in re.findall(form, text, re.MULTILINE))
    return found
