"""Programs of others: servers on loopback for the time of a block, and senders of mail."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from .serving import PATIENCE

_LOOK: Final = 0.01
"""Seconds between two looks at a port."""


@contextmanager
def running(
    port: int, *command: object, pass_fds: Sequence[int] = (), log: Path | None = None
) -> Iterator[str]:
    """
    Run a program that listens on a port of 127.0.0.1; gives its `HOST:PORT` when it does.

    What it writes goes to `log`. Raises `AssertionError` if it ends or takes too long.
    """
    with (log or Path(os.devnull)).open("wb") as stream:
        process = subprocess.Popen(  # noqa: S603 - the caller's program
            [str(word) for word in command], stdout=stream, stderr=stream, pass_fds=pass_fds
        )
        try:
            _wait_for(port, process)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when a port takes connections; nothing tells it otherwise."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK)
            break
    raise AssertionError(f"{process.args!r} doesn't listen")


def run(*command: object) -> bool:
    """Run a sender; says whether its mail was taken."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, timeout=PATIENCE, check=False)  # noqa: S603
    return done.returncode == 0


def insist(*command: object, pause: float = _LOOK) -> int:
    """
    Run a sender until its mail is taken, with pauses, as mail servers try again.

    Gives how often it was run. Raises `AssertionError` when it is still refused after `PATIENCE`.
    """
    until = time.monotonic() + PATIENCE
    for tries in itertools.count(1):
        if run(*command):
            return tries
        if time.monotonic() > until:
            break
        time.sleep(pause)
    raise AssertionError(f"{command} is refused")
