"""Several bindpost processes on one PostgreSQL: one inbox; a node dies, the database is away."""

from __future__ import annotations

import re
import smtplib
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bindpost.testing import Load, Serving, check_kept
from bindpost.testing.postgres import PostgresServer
from bindpost.testing.programs import run

if TYPE_CHECKING:
    from tests.interop.conftest import Balanced, Node

MAIL = "Subject: {}\r\n\r\nbody\r\n"


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


def test_three_nodes_behind_haproxy(balanced: Balanced, program: Callable[[str], Path]) -> None:
    """
    100 sessions of smtp-source through HAProxy to three nodes: each message is kept once.

    Each node took some, knows the true peer, and shows all of them.
    """
    source = program("smtp-source")

    # -N: each message has a recipient of its own.
    sent = run(
        *(source, "-N", "-s", 100, "-m", 300, "-t", "to@example.test"),
        *("inet:{}:{}".format(*balanced.smtp),),
    )

    assert sent
    kept = [one.client.messages(limit=0) for one in balanced.nodes]
    assert kept[0] == kept[1] == kept[2]
    recipients = Counter(message.envelope.recipients[0].address for message in kept[0])
    assert recipients == {f"{number}to@example.test": 1 for number in range(1, 301)}
    assert len({balanced.nodes[0].client.raw(message.id) for message in kept[0]}) == 300
    assert {message.session.listener for message in kept[0]} == {
        f"{host}:0" for host in balanced.hosts
    }
    peers = {message.session.peer for message in kept[0]}
    assert len(peers) >= 100
    assert {str(peer).rpartition(":")[0] for peer in peers} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (
            "postgresql://me:geheim@127.0.0.1:1/mail",
            "store: PostgreSQL 127.0.0.1:1/mail can't be .*; see that it runs there",
        ),
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
