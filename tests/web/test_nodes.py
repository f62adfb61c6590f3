"""The nodes: their API, their place on the path page and the event viewer, their figure."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from bindpost.server.eventlog import FORMATS
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.memory_events import MemoryEventStore
from bindpost.server.web.app import create_app
from bindpost.server.web.node_objects import Node, Nodes, NodeState
from tests.conformance.events.bench import event

from .conftest import LISTENER, MOMENT

NODES = "/api/bindpost/v1/nodes"


def node(name: str, state: NodeState = "alive", *, here: bool = False) -> Node:
    """Make a node with a listener that is not bound."""
    return Node(
        name=name,
        here=here,
        run="r",
        version="1.2.3",
        state=state,
        started=MOMENT,
        heard=MOMENT,
        listeners=[LISTENER],
    )


class NodesDesk:
    """Knows three nodes, of which one is gone: a fake."""

    def __init__(self) -> None:
        self.told = Nodes(
            shared=True, trouble="", nodes=[node("a", "gone"), node("b", here=True), node("<c>")]
        )

    def nodes(self) -> Nodes:
        """Give them."""
        return self.told


@pytest.fixture
def desk() -> NodesDesk:
    """Give somebody who knows nodes."""
    return NodesDesk()


@pytest.fixture
async def http(
    store: MemoryStore, kept: MemoryEventStore, desk: NodesDesk
) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the app over them."""
    app = create_app(
        store,
        ready=lambda: True,
        version="1",
        node="a",
        nodes=desk,
        events=kept,
        exports=FORMATS,
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8025") as client:
        yield client


async def test_the_api_tells_of_all(http: httpx.AsyncClient) -> None:
    """Every key that the documentation names is there."""
    told = (await http.get(NODES)).json()

    assert {name: told[name] for name in ("shared", "trouble")} == {"shared": True, "trouble": ""}
    gone = told["nodes"][0]
    assert gone.pop("listeners")[0]["last_error"]["code"] == 10050
    assert gone == {
        "name": "a",
        "here": False,
        "run": "r",
        "version": "1.2.3",
        "state": "gone",
        "started": "2026-03-01T11:31:00Z",
        "heard": "2026-03-01T11:31:00Z",
    }


async def test_the_path_page_shows_all(http: httpx.AsyncClient) -> None:
    """Each has its state and its listeners, with what is wrong; the script gets the part alone."""
    whole, part = (await http.get("/path")).text, (await http.get("/path?part=nodes")).text

    for words in ("Nodes", "10050", "WSAENETDOWN", "refused", "last heard", "&lt;c&gt;"):
        assert words in whole
        assert words in part
    assert '<li class="node gone">' in part
    assert "was retrying" in part
    assert "<html" not in part


async def test_the_page_says_why_nothing_is_heard(http: httpx.AsyncClient, desk: NodesDesk) -> None:
    """While the database is away the page says so, and when each was heard last."""
    desk.told = msgspec.structs.replace(desk.told, trouble="PostgreSQL x can't be used now")

    page = (await http.get("/path")).text

    assert "PostgreSQL x can&#39;t be used now" in page
    assert "heard just now" not in page


async def test_a_node_alone_has_no_section(http: httpx.AsyncClient, desk: NodesDesk) -> None:
    """Where there can be no other one, neither page speaks of nodes."""
    desk.told = Nodes(shared=False, trouble="", nodes=[node("a", here=True)])

    assert "Nodes" not in (await http.get("/path")).text
    assert 'name="node"' not in (await http.get("/events")).text


async def test_events_are_chosen_by_node(http: httpx.AsyncClient, kept: MemoryEventStore) -> None:
    """The viewer and the API give those of one node; what came late stands where its time is."""
    kept.append(event("first of b", computer="b"))
    kept.append(event("second", computer="b", time=MOMENT))
    kept.append(event("late", computer="a"))

    page = (await http.get("/events")).text
    narrow = (await http.get("/events?node=a")).text
    listed = (await http.get("/api/bindpost/v1/events?node=a,c")).json()["events"]

    assert page.index("second") < page.index("late") < page.index("first of b")
    assert "<option selected>a</option>" in narrow
    assert "late" in narrow
    assert "second" not in narrow
    assert [(one["message"], one["node"], one["computer"]) for one in listed] == [
        ("late", "a", "a")
    ]


async def test_the_figure(http: httpx.AsyncClient) -> None:
    """/metrics counts them by their state."""
    text = (await http.get("/metrics")).text

    for state, count in (("alive", 2), ("gone", 1), ("stopped", 0)):
        assert f'bindpost_nodes{{state="{state}"}} {count}\n' in text


async def test_a_message_tells_which_node_took_it(http: httpx.AsyncClient) -> None:
    """The API and the page do."""
    row = (await http.post("/api/bindpost/v1/import", content=b"x")).json()

    page = (await http.get(f"/view/{row['id']}", params={"show": "session"})).text

    assert row["session"]["node"] == "a"
    assert "<dt>Node</dt><dd>a</dd>" in page
