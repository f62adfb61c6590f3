"""Several bindpost processes on one PostgreSQL: one inbox; a node dies, the database is away."""

from __future__ import annotations

import re
import smtplib
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from bindpost.proxy.local import free_port
from bindpost.testing import Load, Serve, Serving, check_kept
from bindpost.testing.postgres import PostgresServer
from bindpost.testing.programs import run, running

BALANCED = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m
frontend smtp
    bind 127.0.0.1:{port}
    default_backend nodes
backend nodes
    balance roundrobin
{servers}
"""
MAIL = "Subject: {}\r\n\r\nbody\r\n"
Node = Callable[..., Serving]


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """Give the URL of a schema without tables."""
    with postgres.new_schema() as url:
        yield url


@pytest.fixture
def node(serve: Serve, url: str, tmp_path: Path) -> Node:
    """Give what starts one more node, with a data folder of its own."""
    names = (f"node{number}" for number in count())

    def start(*arguments: str, listen: str = "127.0.0.1:0") -> Serving:
        name = next(names)
        own = ("--data", str(tmp_path / name), "--store", url, "--node", name)
        serving = serve(*own, *arguments, listen=listen)
        return serving.wait_ready()

    return start


def settings_for(folder: Path, host: str) -> str:
    """Write the settings of a node that HAProxy reaches on a host; give the file's name."""
    file = folder / f"{host}.toml"
    file.write_text(f'[[listener]]\nendpoint = "{host}:0"\nproxy_protocol = true\n')
    return str(file)


def send(serving: Serving, subject: str) -> None:
    """Send a message to a node."""
    with smtplib.SMTP(*serving.smtp) as smtp:
        smtp.sendmail("a@b.test", ["c@d.test"], MAIL.format(subject))


def test_a_wait_on_one_node_is_answered_by_mail_to_another(node: Node) -> None:
    """Who waits at one node gets the message that another took; both show the same inbox."""
    here, there = node(), node()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(here.client.wait, subject="across", timeout=20)
        send(there, "across")

        found = waiting.result(30)

    assert found is not None
    assert here.client.raw(found.id) == MAIL.format("across").encode()
    assert [one.id for one in there.client.messages()] == [found.id]


def test_kill_9_of_a_node_loses_nothing_and_stops_nobody(node: Node) -> None:
    """A node is killed under load: what it acknowledged is there, and the other one goes on."""
    dying, living = node(), node()
    loads = [Load(dying.smtp), Load(living.smtp, first=1_000_000)]
    loads[0].wait_for_acknowledged(50)

    dying.process.kill()
    loads[0].wait_end()
    loads[1].wait_for_more(20)
    loads[1].stop()

    check_kept(loads[0].acknowledged | loads[1].acknowledged, living.client)


def test_while_the_database_is_away_mail_is_refused_for_now(
    node: Node, postgres: PostgresServer
) -> None:
    """Senders get 451 while it is away; then everything goes on, and nothing was lost."""
    here, there = node(), node()
    load = Load(here.smtp)
    load.wait_for_acknowledged(20)

    with postgres.away():
        load.wait_end()  # each sender has been refused
        with pytest.raises(smtplib.SMTPDataError, match="451"):
            send(here, "refused")

    send(here, "back here")
    send(there, "back there")
    back = {name: MAIL.format(name).encode() for name in ("back here", "back there")}
    check_kept(load.acknowledged | back, there.client)


def test_three_nodes_behind_haproxy(
    node: Node, program: Callable[[str], Path], tmp_path: Path
) -> None:
    """
    100 sessions of smtp-source through HAProxy to three nodes: each message is kept once.

    Each node took some, knows the true peer, and shows all of them.
    """
    haproxy, source = program("haproxy"), program("smtp-source")
    hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    nodes = [node("--config", settings_for(tmp_path, host), listen="") for host in hosts]
    servers = "".join(
        f"    server node{number} {one.smtp[0]}:{one.smtp[1]} send-proxy-v2\n"
        for number, one in enumerate(nodes)
    )
    port, file = free_port(), tmp_path / "haproxy.cfg"
    file.write_text(BALANCED.format(port=port, servers=servers))

    with running(port, haproxy, "-db", "-f", file) as address:
        # -N: each message has a recipient of its own.
        sent = run(
            *(source, "-N", "-s", 100, "-m", 300, "-t", "to@example.test", f"inet:{address}")
        )

    assert sent
    kept = [one.client.messages(limit=0) for one in nodes]
    assert kept[0] == kept[1] == kept[2]
    assert len({message.envelope.recipients[0].address for message in kept[0]}) == 300
    assert len(kept[0]) == 300
    assert {message.session.listener for message in kept[0]} == {f"{host}:0" for host in hosts}
    assert len({message.session.peer for message in kept[0]}) >= 100


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("postgresql://me:geheim@127.0.0.1:1/mail", "store: PostgreSQL 127.0.0.1:1/mail can't be"),
        ("postgresql://127.0.0.1/mail?password=geheim", "store: password can't be given behind"),
        ("mysql://me:geheim@127.0.0.1/mail", "store: .* is no store"),
    ],
)
def test_a_store_that_cannot_be_used_ends_the_start(tmp_path: Path, store: str, said: str) -> None:
    """The message names the setting and the server, and never the password; the code is 78."""
    command = [sys.executable, "-m", "bindpost", "serve", "--web", "off", "--listen", "127.0.0.1:0"]
    ended = subprocess.run(
        [*command, "--data", str(tmp_path), "--store", store],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ended.returncode == 78
    assert "geheim" not in ended.stdout + ended.stderr
    assert re.search(said, ended.stdout + ended.stderr)
