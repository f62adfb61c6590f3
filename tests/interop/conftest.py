"""Starts bindpost as its own process, as users do, and talks to it from outside."""

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import pytest

from bindpost.testing import Serve, Serving


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start `bindpost serve` on free ports; whatever still runs at the end is ended by its pid."""
    started: list[Serving] = []

    def start(*arguments: str, listen: str = "127.0.0.1:0", prefix: Sequence[str] = ()) -> Serving:
        defaults = ["--web", "127.0.0.1:0", "--data", str(tmp_path / "data")]
        if listen:
            defaults += ["--listen", listen]
        serving = Serving([*defaults, *arguments], folder=tmp_path, prefix=prefix)
        started.append(serving)
        return serving

    yield start
    for serving in started:
        serving.cleanup()


PATIENCE: Final = 20.0


class StartNotifying(Protocol):
    """Starts a daemon in the foreground, and returns when it has said that it is ready."""

    def __call__(self, *command: str | Path) -> subprocess.Popen[bytes]:
        """Start it."""
        ...


@pytest.fixture
def start_notifying(tmp_path: Path) -> Iterator[StartNotifying]:
    """Start daemons that tell their readiness as sd_notify(3) says; end them by their pid."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str | Path) -> subprocess.Popen[bytes]:
        path = tmp_path / f"notify{len(started)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(str(path))
            notified.settimeout(PATIENCE)
            process = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"NOTIFY_SOCKET": str(path)},
            )
            started.append(process)
            while b"READY=1" not in notified.recv(4096).splitlines():
                pass
        return process

    yield start
    for process in started:
        process.terminate()
        process.wait(PATIENCE)
