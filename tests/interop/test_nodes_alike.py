"""Several bindpost processes on one PostgreSQL, set up alike: relay and webhooks go out once."""

from __future__ import annotations

import json
import smtplib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
first_pause = 3600
[[webhook]]
name = "ci"
url = "http://127.0.0.1:{hook}/"
events = ["message.received", "message.deleted"]
first_pause = 3600
"""
NAMES: Final = ("a", "b", "c")
DRAFT: Final = {
    "From": {"Email": "a@b.test"},
    "To": [{"Email": "c@d.test"}],
    "Subject": "composed",
}
EACH: Final = 6
"""Messages to each node."""

Alike = Callable[..., list[Serving]]
"""Starts nodes of these names."""
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
def alike(named_node: Node, receiver: Receiver, sink: int, tmp_path: Path) -> Alike:
    """Give what starts nodes of these names side by side; all have one file of settings."""
    path = tmp_path / "nodes.toml"  # the server that is relayed to would read bindpost.toml
    path.write_text(SETTINGS.format(sink=sink, hook=receiver.server_address[1]))

    def start(*names: str) -> list[Serving]:
        with ThreadPoolExecutor(len(names)) as threads:
            return list(threads.map(lambda name: named_node(name, "--config", str(path)), names))

    return start


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


def subjects(serving: Serving) -> list[str]:
    """Give the subjects of the messages that a server has."""
    return [one.fields.subject for one in serving.client.messages(limit=0)]


def wait_for(serving: Serving, wanted: Iterable[str]) -> None:
    """Return when a server has messages of these subjects, which have nothing special in them."""
    for subject in wanted:
        found = serving.client.wait(subject_regex=f"^{subject}$", timeout=PATIENCE)
        assert found is not None, subject


def drained(receiver: Receiver, told: Told) -> Told:
    """Give what was told, and what came meanwhile; nobody tells anything any more."""
    return [*told, *(receiver.taken.get() for _ in range(receiver.taken.qsize()))]


def test_each_message_goes_out_once_whichever_node_took_it(
    alike: Alike, receiver: Receiver, start_sink: Callable[[], Serving]
) -> None:
    """
    Three nodes take mail by SMTP, an import and the API; each message is told and relayed once.

    So is each deletion told once. At the end each node deletes one and sends one more, behind
    whatever it should not have queued; a node that is stopped ends what it has begun.
    """
    receiver.start()
    there = start_sink()
    nodes = dict(zip(NAMES, alike(*NAMES), strict=True))
    for number in range(EACH):
        for name, node in nodes.items():
            send(node, f"{name}{number}")
    nodes["a"].client.import_message(b"Subject: imported\r\n\r\n", recipients=["x@y.test"])
    post(nodes["b"], "/api/v1/send", DRAFT)
    kept = {one.fields.subject: one for one in nodes["c"].client.messages(limit=0)}
    told = take(receiver, lambda told: len(received(told)) >= len(kept))
    wait_for(there, kept)

    nodes["b"].client.delete([kept["a0"].id, kept["c0"].id])
    for number, (name, node) in enumerate(nodes.items(), 1):
        node.client.delete([kept[f"a{number}"].id])
        send(node, f"last of {name}")
    lasts = [f"last of {name}" for name in NAMES]
    told += take(receiver, lambda told: len(deleted(told)) >= 5 and len(received(told)) >= 3)
    wait_for(there, lasts)
    assert {node.stop() for node in nodes.values()} == {0}
    told = drained(receiver, told)

    taken_by = {f"{name}{number}": name for name in NAMES for number in range(EACH)}
    taken_by |= {"imported": "a", "composed": "b"}
    assert {subject: message.session.node for subject, message in kept.items()} == taken_by
    assert Counter(received(told)) == Counter([*taken_by, *lasts])
    assert Counter(deleted(told)) == Counter(
        kept[subject].id for subject in ("a0", "c0", "a1", "a2", "a3")
    )
    assert Counter(subjects(there)) == Counter([*taken_by, *lasts])


def post(node: Serving, path: str, body: object) -> None:
    """Ask a node's API by POST."""
    url = node.ready["bindpost"]["web"] + path
    with urlopen(Request(url, json.dumps(body).encode())) as response:
        response.read()


def test_what_a_killed_node_took_goes_out_when_it_is_back(
    alike: Alike, receiver: Receiver, start_sink: Callable[[], Serving]
) -> None:
    """
    A node is killed under load and started again: all that was acknowledged goes out.

    Nothing is told twice, since nobody listened before the kill; of what was being relayed at the
    kill a copy may be sent again.
    """
    there = start_sink()
    dying, living = alike("a", "b")
    loads = [Load(dying.smtp, senders=2), Load(living.smtp, senders=2, first=1_000_000)]
    loads[1].wait_for_acknowledged(20)
    loads[1].stop()
    loads[0].wait_for_acknowledged(20)
    dying.wait_for_event(RELAY_SENT.id)

    dying.process.kill()
    loads[0].wait_end()
    receiver.start()
    wait_for(there, loads[1].acknowledged)
    assert living.stop() == 0
    nodes = alike("a", "b")

    check_kept(loads[0].acknowledged | loads[1].acknowledged, nodes[1].client)
    kept = set(subjects(nodes[1]))
    told = take(receiver, lambda told: kept <= set(received(told)))
    wait_for(there, kept)
    assert {node.stop() for node in nodes} == {0}
    assert Counter(received(drained(receiver, told))) == Counter(kept)
    copies = Counter(subjects(there))
    assert copies.keys() == kept
    twice = {subject: count for subject, count in copies.items() if count > 1}
    assert len(twice) <= AT_ONCE
    assert set(twice.values()) <= {2}
    assert twice.keys().isdisjoint(loads[1].acknowledged)


def test_without_its_data_folder_a_node_begins_behind_what_is_there(
    alike: Alike, start_sink: Callable[[], Serving], tmp_path: Path
) -> None:
    """What it took and had not sent stays unsent, until somebody releases it, on any node."""
    dying, living = alike("a", "b")
    send(dying, "left behind")
    dying.wait_for_event(RELAY_DELAYED.id)
    dying.process.kill()
    dying.wait_end()
    (tmp_path / "a").rename(tmp_path / "lost")
    there = start_sink()

    (again,) = alike("a")
    send(again, "new")

    wait_for(there, ["new"])
    assert subjects(there) == ["new"]
    (left,) = living.client.messages(subject="left behind")
    assert left.session.node == "a"
    living.client.release(left.id)
    wait_for(there, ["left behind"])
