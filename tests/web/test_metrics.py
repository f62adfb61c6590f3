"""/metrics: Prometheus's text format, Mailpit's names, and ours."""

from __future__ import annotations

from collections import Counter

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bindpost.config.model import Listener, Settings, WebAccess
from bindpost.server.activity import Activity
from bindpost.server.app import Bindpost
from bindpost.server.store.memory import MemoryStore
from bindpost.server.web.app import create_app
from bindpost.server.web.metrics import family

from .conftest import Deliver, Desk

MAILPIT = {
    "mailpit_database_size_bytes",
    "mailpit_memory_usage_bytes",
    "mailpit_messages",
    "mailpit_messages_deleted_total",
    "mailpit_messages_unread",
    "mailpit_smtp_accepted_size_bytes_total",
    "mailpit_smtp_accepted_total",
    "mailpit_smtp_ignored_total",
    "mailpit_smtp_rejected_total",
    "mailpit_tag_messages",
    "mailpit_uptime_seconds",
}
OURS = {
    "bindpost_events_total",
    "bindpost_listener_error_code",
    "bindpost_listener_state",
    "bindpost_messages_accepted_total",
    "bindpost_sessions",
}


def read(text: str) -> dict[tuple[str, frozenset[str]], float]:
    """Read figures by Prometheus's own client: each by its name and the values of its labels."""
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for found in text_string_to_metric_families(text)
        for sample in found.samples
    }


@pytest.fixture
def activity() -> Activity:
    """Give an activity in which two messages came and one was refused."""
    activity = Activity()
    activity.accept(100, "127.0.0.1:1025")
    activity.accept(23, "127.0.0.1:1025")
    activity.reject()
    return activity


async def test_prometheus_reads_all_figures(
    store: MemoryStore, deliver: Deliver, desk: Desk, activity: Activity
) -> None:
    """Counts of messages, sessions, states and events are there under documented names."""
    row = await deliver(b"Subject: s\r\nX-Tags: news\r\n\r\nHi.\r\n")
    await deliver()
    await store.mark([row.id], read=True)
    events = Counter({4007: 3, 1068: 1})
    app = create_app(
        store,
        ready=lambda: True,
        version="1",
        activity=activity,
        listeners=desk,
        event_counts=events,
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8025") as http:
        answer = await http.get("/metrics")

    figures = read(answer.text)
    labels = {"0", "0.0.0.0:2525", "winsock://10.0.0.1:1745"}
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert {name for name, _ in figures} == MAILPIT | OURS
    for name, values, value in (
        ("mailpit_messages", set(), 2),
        ("mailpit_messages_unread", set(), 1),
        ("mailpit_smtp_accepted_total", set(), 2),
        ("mailpit_smtp_accepted_size_bytes_total", set(), 123),
        ("mailpit_smtp_rejected_total", set(), 1),
        ("mailpit_tag_messages", {"news"}, 1),
        ("bindpost_messages_accepted_total", {"127.0.0.1:1025"}, 2),
        ("bindpost_events_total", {"4007"}, 3),
        ("bindpost_sessions", labels, 0),
        ("bindpost_listener_state", labels | {"retrying"}, 1),
        ("bindpost_listener_state", labels | {"listening"}, 0),
        ("bindpost_listener_error_code", labels, 10050),
    ):
        assert figures[name, frozenset(values)] == value, name


def test_values_of_labels_are_escaped() -> None:
    """Quotes, backslashes and line ends in a value stay in it."""
    odd = 'a "b" \\ c\nd'

    assert read(family("x", "Help.", [({"tag": odd}, 1)])) == {("x", frozenset({odd})): 1}


@pytest.mark.parametrize(("switched", "status"), [(True, 200), (False, 404)])
async def test_a_setting_switches_them(store: MemoryStore, switched: bool, status: int) -> None:
    """`web_access.metrics` takes the page away."""
    app = create_app(store, ready=lambda: True, version="1", metrics=switched)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        assert (await http.get("/metrics")).status_code == status


async def test_the_app_counts_its_events(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A running bindpost tells its listener's state and how often each event was logged."""
    listener = Listener("127.0.0.1:0")
    settings = Settings(
        listener=(listener,), web="127.0.0.1:0", data=":memory:", web_access=WebAccess()
    )
    folder = tmp_path_factory.mktemp("app")
    async with Bindpost(settings, folder=folder) as app, httpx.AsyncClient(trust_env=False) as http:
        assert app.web is not None
        names: frozenset[str] = frozenset()
        while not names:  # events are counted by a thread of their own
            figures = read((await http.get(f"{app.web.url}/metrics")).text)
            names = frozenset(name for name, _ in figures if name == "bindpost_events_total")

    assert figures[
        "bindpost_listener_state", frozenset({"0", "127.0.0.1:0", "direct:", "listening"})
    ]
