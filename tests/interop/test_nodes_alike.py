"""Several bindpost processes on one PostgreSQL, set up alike: relay and webhooks go out once."""

from __future__ import annotations

import json
import smtplib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.request import Request, urlopen

import pytest

from bindpost.events import RELAY_DELAYED, RELAY_SENT
from bindpost.proxy.local import free_port
from bindpost.server.relay.relay import AT_ONCE
from bindpost.testing import Load, Serve, Serving, check_kept
from bindpost.testing.serving import PATIENCE

from .receiver import Receiver

if TYPE_CHECKING:
    from tests.interop.conftest import Node

SETTINGS: Final = """
[relay]
server = "127.0.0.1:{sink}"
recipients = ["*"]
first_pause = {pause}
[[webhook]]
name = "ci"
url = "http://127.0.0.1:{hook}/"
events = ["message.received", "message.deleted"]
first_pause = {pause}
"""
NAMES: Final = ("a", "b", "c")
EACH: Final = 6
"""Messages to each node."""

Told = list[tuple[str, dict[str, Any]]]
"""What a receiver was told: the id of the delivery, and the body."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks that is not started yet."""
    receiver = Receiver(free_port())
    yield receiver
    receiver.stop()


@pytest.fixture
def sink() -> int:
    """The port of the server that is relayed to, which is not started yet."""
    return free_port()


@pytest.fixture
def start_sink(serve: Serve, sink: int, tmp_path: Path) -> Callable[[], Serving]:
    """Give what starts that server."""
    own = ("--data", str(tmp_path / "sink"))
    return lambda: serve(*own, listen=f"127.0.0.1:{sink}").wait_ready()


@pytest.fixture
def alike(named_node: Node, receiver: Receiver, sink: int, tmp_path: Path) -> Node:
    """Give what starts a node of a name; all have one file of settings."""
    path = tmp_path / "nodes.toml"  # the server that is relayed to would read bindpost.toml
    path.write_text(SETTINGS.format(sink=sink, hook=receiver.server_address[1], pause=3600))
    return lambda name: named_node(name, "--config", str(path))


def send(serving: Serving, subject: str) -> None:
    """Send a message to a node."""
    with smtplib.SMTP(*serving.smtp) as smtp:
        smtp.sendmail("a@b.test", ["c@d.test"], f"Subject: {subject}\r\n\r\n")


def take(receiver: Receiver, until: Callable[[Told], bool]) -> Told:
    """Give what the receiver was told, when that is enough."""
    told: Told = []
    while not until(told):
        told.append(receiver.taken.get(timeout=PATIENCE))
    return told


def received(told: Told) -> list[str]:
    """Give the subjects of the messages that were told of."""
    return [
        body["data"]["fields"]["subject"] for _, body in told if body["type"] == "message.received"
    ]


def deleted(told: Told) -> list[str]:
    """Give the ids of the messages that were told to be deleted."""
    return [
        message_id
        for _, body in told
        if body["type"] == "message.deleted"
        for message_id in body["data"]["ids"]
    ]


def drained(receiver: Receiver, told: Told) -> Told:
    """Give what was told, and what came meanwhile; nobody tells anything any more."""
    return [*told, *(receiver.taken.get() for _ in range(receiver.taken.qsize()))]


def test_each_message_goes_out_once_whichever_node_took_it(
    alike: Node, receiver: Receiver, start_sink: Callable[[], Serving]
) -> None:
    """
    Three nodes take mail by SMTP, an import and the API; each message is told and relayed once.

    So is each deletion told once. At the end each node sends and deletes one more, behind whatever
    it should not have queued; a node that is stopped ends what it has begun.
    """
    receiver.start()
    there = start_sink()
    nodes = {name: alike(name) for name in NAMES}
    for number in range(EACH):
        for name, node in nodes.items():
            send(node, f"{name}{number}")
    nodes["a"].client.import_message(b"Subject: imported\r\n\r\n", sender="x@y.test")
    post(nodes["b"], "/api/v1/send", {"From": {"Email": "x@y.test"}, "Subject": "composed"})
    kept = {one.fields.subject: one for one in nodes["c"].client.messages(limit=0)}
    nodes["b"].client.delete([kept["a0"].id, kept["c0"].id])
    for name, node in nodes.items():
        send(node, f"last of {name}")
        (last,) = node.client.messages(subject=f"last of {name}")
        node.client.delete([last.id])

    told = take(receiver, lambda told: len(deleted(told)) >= 5 and len(received(told)) >= 23)
    assert {node.stop() for node in nodes.values()} == {0}
    told = drained(receiver, told)

    wanted = {f"{name}{number}" for name in NAMES for number in range(EACH)}
    wanted |= {"imported", "composed", *(f"last of {name}" for name in NAMES)}
    assert Counter(received(told)) == Counter(wanted)
    assert set(Counter(deleted(told)).values()) == {1}
    relayed = Counter(one.fields.subject for one in there.client.messages(limit=0))
    assert set(relayed.values()) == {1}
    nodes_of = {subject: message.session.node for subject, message in kept.items()}
    assert nodes_of == {
        subject: {"imported": "a", "composed": "b"}.get(subject, subject[0]) for subject in kept
    }


def post(node: Serving, path: str, body: object) -> None:
    """Ask a node's API by POST."""
    url = node.ready["bindpost"]["web"] + path
    with urlopen(Request(url, json.dumps(body).encode())) as response:
        response.read()


def test_what_a_killed_node_took_goes_out_when_it_is_back(
    alike: Node, receiver: Receiver, start_sink: Callable[[], Serving]
) -> None:
    """
    A node is killed under load and started again: all that was acknowledged goes out.

    Nothing is told twice, since nobody listened before the kill; of what was being relayed at the
    kill a copy may be sent again.
    """
    there = start_sink()
    dying, living = alike("a"), alike("b")
    loads = [Load(dying.smtp, senders=2), Load(living.smtp, senders=2, first=1_000_000)]
    loads[1].wait_for_acknowledged(20)
    loads[1].stop()
    loads[0].wait_for_acknowledged(20)
    dying.wait_for_event(RELAY_SENT.id)

    dying.process.kill()
    loads[0].wait_end()
    receiver.start()
    assert living.stop() == 0
    nodes = [alike("a"), alike("b")]

    check_kept(loads[0].acknowledged | loads[1].acknowledged, nodes[1].client)
    kept = {one.fields.subject for one in nodes[1].client.messages(limit=0)}
    told = take(receiver, lambda told: kept <= set(received(told)))
    for subject in kept:
        assert there.client.wait(subject=subject, timeout=PATIENCE) is not None
    assert {node.stop() for node in nodes} == {0}
    assert Counter(received(drained(receiver, told))) == Counter(kept)
    copies = Counter(one.fields.subject for one in there.client.messages(limit=0))
    twice = {subject: count for subject, count in copies.items() if count > 1}
    assert len(twice) <= AT_ONCE
    assert set(twice.values()) <= {2}
    assert twice.keys().isdisjoint(loads[1].acknowledged)


def test_without_its_data_folder_a_node_begins_behind_what_is_there(
    alike: Node, start_sink: Callable[[], Serving], tmp_path: Path
) -> None:
    """What it took and had not sent stays unsent, until somebody releases it, on any node."""
    dying, living = alike("a"), alike("b")
    send(dying, "left behind")
    dying.wait_for_event(RELAY_DELAYED.id)
    dying.process.kill()
    dying.wait_end()
    (tmp_path / "a").rename(tmp_path / "lost")
    there = start_sink()

    send(alike("a"), "new")

    assert there.client.wait(subject="new", timeout=PATIENCE) is not None
    assert [one.fields.subject for one in there.client.messages()] == ["new"]
    (left,) = living.client.messages(subject="left behind")
    assert left.session.node == "a"
    living.client.release(left.id)
    assert there.client.wait(subject="left behind", timeout=PATIENCE) is not None
