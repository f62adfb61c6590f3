"""Where descriptors run out: who comes is told so, and those who are there are served."""

from __future__ import annotations

import resource
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from bindpost.testing import PATIENCE, Serve

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
FEW = 512
SHELL = 'ulimit -S -n {soft}; ulimit -H -n {hard}; exec "$@"'


def _limited(soft: int, hard: int) -> list[str]:
    """Give what runs a command with these limits of open files."""
    return ["sh", "-c", SHELL.format(soft=soft, hard=hard), "sh"]


def _greeting(address: tuple[str, int], stack: ExitStack) -> tuple[socket.socket, bytes]:
    connection = stack.enter_context(socket.create_connection(address, timeout=PATIENCE))
    return connection, connection.recv(4096)


def test_there_are_no_more_sessions_than_descriptors(serve: Serve) -> None:
    """Half of few descriptors are for sessions; one of them can still have its mail kept."""
    serving = serve(prefix=_limited(FEW, FEW)).wait_ready()
    with ExitStack() as stack:
        came = [_greeting(serving.smtp, stack) for _ in range(FEW // 2 + 20)]
        codes = [greeting[:3] for _, greeting in came]

        client, _ = came[0]
        client.sendall(
            b"HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\r\nhi\r\n.\r\nQUIT\r\n"
        )
        replies = b"".join(iter(lambda: client.recv(4096), b""))

    assert codes == [b"220"] * (FEW // 2) + [b"421"] * 20
    assert [line[:3] for line in replies.splitlines()][-2:] == [b"250", b"221"]
    assert len(serving.client.messages()) == 1
    assert serving.stop() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="limits are read from /proc")
def test_all_descriptors_that_there_are_are_taken(serve: Serve) -> None:
    """A shell's limit is a soft one as a rule, and raised at the start."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    serving = serve(prefix=_limited(FEW, most)).wait_ready()

    limits = Path(f"/proc/{serving.process.pid}/limits").read_text().splitlines()

    (files,) = (line.split() for line in limits if line.startswith("Max open files"))
    assert files[3] == files[4] == str(most)
