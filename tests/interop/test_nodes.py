"""Several bindpost processes on one PostgreSQL: each shows the listeners and events of all."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.request import urlopen

import pytest

from bindpost.client import Event, EventFilter, Node
from bindpost.events import BIND_FAILED, NODE_BACK, NODE_GONE, RELOADED
from bindpost.server.store.sqlite_event_file import EVENTS_FILE, read_file
from bindpost.testing import Serving

HEARTBEAT: Final = "0.3"
"""Seconds; so a node is gone after one and a half."""
PATIENCE: Final = 30.0
PAUSE: Final = 0.02
FAULTY: Final = """
on_bind_failure = "continue"
[[listener]]
endpoint = "127.0.0.1:0"
[[listener]]
endpoint = "127.0.0.1:0"
via = "winsock://127.0.0.1:1"
"""
Start = Callable[..., Serving]


@pytest.fixture
def start(named_node: Start, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Give what starts a node of a name, with a short heartbeat."""
    monkeypatch.setenv("BINDPOST_NODE_HEARTBEAT", HEARTBEAT)
    return named_node


def until(what: Callable[[], bool]) -> None:
    """Return when something holds, which must come to be so."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it never came to be so"
        time.sleep(PAUSE)


def node_on(serving: Serving, name: str) -> Node | None:
    """Give a node as another one tells of it."""
    found = [node for node in serving.client.nodes().nodes if node.name == name]
    return found[0] if found else None


def states_on(serving: Serving, name: str) -> list[str]:
    """Give the states of a node's listeners as another one tells of them."""
    node = node_on(serving, name)
    return [] if node is None else [listener.state for listener in node.listeners]


def wait_for_state(serving: Serving, name: str, state: str) -> None:
    """Return when a node tells that another is in a state."""
    until(lambda: (node := node_on(serving, name)) is not None and node.state == state)


def events_on(serving: Serving, number: int, node: str) -> list[Event]:
    """Give the events of a number and a node that a node tells of."""
    return serving.client.events(EventFilter(ids=(number,), nodes=(node,)))


def test_a_listener_that_is_not_bound_is_seen_on_the_other_node(
    start: Start, tmp_path: Path
) -> None:
    """Node b tells of a's listeners, one bound and one failed with 10050, and of a's event 4007."""
    (tmp_path / "a.toml").write_text(FAULTY)
    a = start("a", "--config", str(tmp_path / "a.toml"), listen="")
    b = start("b")

    until(lambda: states_on(b, "a") == ["listening", "failed"])

    found = node_on(b, "a")
    assert found is not None
    bound, failed = found.listeners
    assert (found.state, found.here) == ("alive", False)
    assert (bound.state, bound.addresses) == ("listening", (":".join(map(str, a.smtp)),))
    assert failed.last_error is not None
    assert (failed.state, failed.last_error.code) == ("failed", 10050)
    until(lambda: bool(events_on(b, BIND_FAILED.id, "a")))
    (told,) = events_on(b, BIND_FAILED.id, "a")
    (own,) = events_on(a, BIND_FAILED.id, "a")
    assert (told.time, told.fields, told.computer) == (own.time, own.fields, "a")


def test_a_killed_node_is_gone_and_its_restart_is_told(
    start: Start, url: str, tmp_path: Path
) -> None:
    """
    After kill -9 the other logs that it is gone; a new start, at once, has its name, and is back.

    While it lived nobody else could have its name: exit code 78, and the setting is named.
    """
    dying, b = start("a"), start("b")
    wait_for_state(b, "a", "alive")
    taken = bindpost(
        *("serve", "--web", "off", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "other")),
        *("--store", url, "--node", "a"),
    )
    assert taken.returncode == 78
    assert 'node: another node of this inbox is called "a"' in taken.stderr
    assert "--node NAME" in taken.stderr

    dying.process.kill()

    wait_for_state(b, "a", "gone")
    until(lambda: bool(events_on(b, NODE_GONE.id, "b")))
    assert events_on(b, NODE_GONE.id, "b")[0].strings[0] == "a"
    assert 'bindpost_nodes{state="gone"} 1\n' in metrics(b)
    told = bindpost("nodes", "--server", b.client.url).stdout
    assert re.search(r"^a  gone, heard .*\n    .*  was listening  direct:$", told, re.MULTILINE)

    again = start("a")
    wait_for_state(b, "a", "alive")
    until(lambda: bool(events_on(b, NODE_BACK.id, "a")))
    until(lambda: bool(events_on(again, NODE_GONE.id, "b")))


def test_a_node_that_stood_still_is_gone_and_then_back(start: Start) -> None:
    """SIGSTOP and SIGCONT: it is gone, is back by itself, and says so."""
    a, b = start("a"), start("b")
    wait_for_state(b, "a", "alive")

    a.process.send_signal(signal.SIGSTOP)
    try:
        wait_for_state(b, "a", "gone")
    finally:
        a.process.send_signal(signal.SIGCONT)

    wait_for_state(b, "a", "alive")
    until(lambda: bool(events_on(b, NODE_BACK.id, "a")))
    until(lambda: bool(events_on(a, NODE_GONE.id, "b")))


def test_events_reach_the_others_live_and_once(start: Start, tmp_path: Path) -> None:
    """A stream on b has a's events as they happen; after a restart of b each is there once."""
    a, b = start("a"), start("b")
    wait_for_state(b, "a", "alive")
    seen: list[Event] = []
    following = EventFilter(nodes=("a",), after=b.client.events(limit=1)[0].cursor)

    def follow() -> None:
        seen.extend(b.client.follow_events(following))

    thread = threading.Thread(target=follow)
    thread.start()
    for count in (1, 2, 3):
        reload(a, count)
    until(lambda: len(events_on(b, RELOADED.id, "a")) == 3)
    until(lambda: [event.id for event in seen].count(RELOADED.id) >= 3)
    b.stop()
    thread.join(PATIENCE)
    assert [event.id for event in seen].count(RELOADED.id) == 3

    b = start("b")
    reload(a, 4)
    until(lambda: len(events_on(b, RELOADED.id, "a")) == 4)
    b.stop()
    listed = bindpost("events", "list", "--node", "a", "--data", str(tmp_path / "b")).stdout
    assert listed.count(RELOADED.template.partition("%")[0]) == 4
    assert {event.computer for event in read_file(tmp_path / "b" / EVENTS_FILE)} == {"a", "b"}


def bindpost(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "bindpost", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def reload(serving: Serving, count: int) -> None:
    """Have a node read its settings again, for the count-th time: an event as it is asked for."""
    serving.process.send_signal(signal.SIGHUP)
    serving.wait_for_event(RELOADED.id, count)


def metrics(serving: Serving) -> str:
    """Give a node's figures."""
    with urlopen(serving.ready["bindpost"]["web"] + "/metrics") as response:
        text: str = response.read().decode()
    return text
