"""
Real senders by count, swaks and smtp-source: through Dante in turn, through sshd at once.

Dante with a queue in front is the page's own configuration, in test_socks_docs.py.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bindpost.client import Client
from bindpost.proxy.local import free_port
from bindpost.proxy.socks.dante import Dante
from bindpost.testing import Serve, Serving
from bindpost.testing.programs import insist, run

PROXY = "127.0.0.2"
"""Where the proxies are; senders come from 127.0.0.1, or from an address of their own."""
IN_TURN = 100
PAUSE = 0.01
"""Seconds between two mails that are sent in turn; it belongs to what is shown."""
AT_ONCE = 64

Program = Callable[[str], Path]
Sshd = Any
"""The fixture of conftest.py."""


def envelope(number: int) -> tuple[str, ...]:
    """Give a mail's sender and recipient, as both programs are told them."""
    return "-f", f"{number}@example.test", "-t", "to@example.test"


def check(client: Client, hosts: Mapping[int, str]) -> None:
    """See that each number's mail is kept once, from its host."""
    rows = client.messages(limit=0)
    kept = Counter(
        (row.envelope.reverse_path, str(row.session.peer).rpartition(":")[0]) for row in rows
    )
    assert kept == {(f"{number}@example.test", host): 1 for number, host in hosts.items()}


def own_address(number: int) -> str:
    """Give a loopback address that is only this number's."""
    return f"127.0.1.{number + 1}"


def test_dante_in_turn(serve: Serve, program: Program, tmp_path: Path) -> None:
    """A hundred mails in turn, every fifth by swaks from an address of its own: all are kept."""
    source, swaks = program("smtp-source"), program("swaks")
    dante = Dante(program("danted"), tmp_path, host=PROXY).start()
    try:
        serving = serve("--via", dante.url(), listen=f"0.0.0.0:{free_port()}").wait_ready()
        host, port = serving.smtp
        hosts = {}
        for number in range(IN_TURN):
            if number % 5:
                hosts[number] = "127.0.0.1"
                insist(source, *envelope(number), f"inet:{host}:{port}")
            else:
                hosts[number] = own_address(number)
                where = ("--server", host, "--port", port, "-li", hosts[number])
                insist(swaks, *envelope(number), *where)
            time.sleep(PAUSE)

        check(serving.client, hosts)
        assert host == PROXY
        assert serving.stop() == 0
    finally:
        dante.kill()


def test_sshd_at_once(serve: Serve, program: Program, sshd: Sshd, tmp_path: Path) -> None:
    """64 sessions of smtp-source at once, and again: each mail is kept, with a peer of its own."""
    source = program("smtp-source")
    serving = bastion(serve, sshd, tmp_path)
    host, port = serving.smtp

    at_once = ("-s", AT_ONCE, "-m", AT_ONCE, "-N", "-f", "a@example.test", "-t", "to@example.test")
    for _ in range(2):
        assert run(source, *at_once, f"inet:{host}:{port}")

    rows = serving.client.messages(limit=0)
    peers = [str(row.session.peer) for row in rows]
    assert len(peers) == len({row.id for row in rows}) == 2 * AT_ONCE
    assert {peer.rpartition(":")[0] for peer in peers} == {"127.0.0.1"}
    assert len(set(peers)) >= AT_ONCE
    assert serving.stop() == 0


def test_sshd_with_starttls(serve: Serve, program: Program, sshd: Sshd, tmp_path: Path) -> None:
    """swaks with STARTTLS, from eight addresses at once: kept, encrypted, with its very socket."""
    pytest.importorskip("cryptography")
    swaks = program("swaks")
    serving = bastion(serve, sshd, tmp_path, "--tls-certificate", "self-signed")
    host, port = serving.smtp
    sockets = {number: f"{own_address(number)}:{free_port()}" for number in range(8)}

    def send(number: int) -> bool:
        where = ("--server", host, "--port", port, "-li", sockets[number])
        return run(swaks, *envelope(number), *where, "-tls")

    with ThreadPoolExecutor(len(sockets)) as pool:
        assert all(pool.map(send, sockets))

    rows = serving.client.messages(limit=0)
    assert {row.envelope.reverse_path: row.session.peer for row in rows} == {
        f"{number}@example.test": socket for number, socket in sockets.items()
    }
    assert len(rows) == len(sockets)
    assert {row.session.tls_version for row in rows} == {"TLSv1.3"}
    assert serving.stop() == 0


def bastion(serve: Serve, sshd: Sshd, folder: Path, *arguments: str) -> Serving:
    """Serve through sshd, on the proxies' address."""
    sshd.start("AllowTcpForwarding remote", "GatewayPorts clientspecified")
    endpoint = f"{PROXY}:{free_port()}"
    (folder / "bindpost.toml").write_text(
        f"[[listener]]\nendpoint = '{endpoint}'\nvia = 'bastion'\n"
        f"[path.bastion]\n{sshd.server.table}"
    )
    return serve(*arguments, listen="").wait_ready()
