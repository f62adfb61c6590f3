"""The listeners over HTTP, from somebody who knows them: what is asked, answered and refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from bindpost.proxy.provider import Hop, ListenerState
from bindpost.server.store.memory import MemoryStore
from bindpost.server.web.app import create_app
from bindpost.server.web.listener_objects import Decision, Listener, Path, Trouble

API = "/api/bindpost/v1"
MOMENT = datetime(2026, 3, 1, 11, 31, tzinfo=UTC)
TROUBLE = Trouble(
    when=MOMENT,
    code=10050,
    name="WSAENETDOWN",
    hop="connect",
    reason="refused",
    hint="start the proxy",
    sentence="... (10050)",
)
LISTENER = Listener(
    number=0,
    endpoint="0.0.0.0:2525",
    via="winsock://10.0.0.1:1745",
    personality="ims-5.5",
    tls="auto",
    proxy_protocol=False,
    state=ListenerState.RETRYING,
    since=MOMENT,
    addresses=[],
    capacity=1,
    sessions=0,
    attempts=3,
    retry_in=1.5,
    last_error=TROUBLE,
)
PATH = Path(
    **{name: getattr(LISTENER, name) for name in LISTENER.__struct_fields__},
    decision=Decision(direction="remote", rule="a rule", source="KB Q181420"),
    hops=[Hop("connect", "10.0.0.1:1745", False, "refused", 1.25, code=10050, hint="start it")],
    code=10050,
    sentence="It is not bound.",
)


class Desk:
    """Knows one listener, which cannot be bound again while it is `busy`: a fake."""

    def __init__(self) -> None:
        self.rebound: list[int] = []
        self.refusal = ""

    def listeners(self) -> list[Listener]:
        """Give it."""
        return [LISTENER]

    async def paths(self) -> list[Path]:
        """Give its path."""
        return [PATH]

    async def rebind(self, number: int) -> Listener:
        """Note it, or refuse."""
        listener = self.listeners()[number]
        if self.refusal:
            raise ValueError(self.refusal)
        self.rebound.append(number)
        return listener


@pytest.fixture
def desk() -> Desk:
    """Give somebody who knows a listener."""
    return Desk()


@pytest.fixture
async def asking(store: MemoryStore, desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the app over it."""
    app = create_app(store, ready=lambda: True, version="1", listeners=desk)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8025") as client:
        yield client


async def test_a_listener_is_told_key_by_key(asking: httpx.AsyncClient) -> None:
    """Times are RFC 3339, the error is an object with the event's sentence."""
    answer = await asking.get(f"{API}/listeners")

    (listener,) = answer.json()["listeners"]
    assert list(listener) == list(LISTENER.__struct_fields__)
    assert (listener["state"], listener["since"]) == ("retrying", "2026-03-01T11:31:00Z")
    assert listener["last_error"]["name"] == "WSAENETDOWN"
    assert list(listener["last_error"]) == list(TROUBLE.__struct_fields__)


async def test_a_path_is_its_listener_with_hops(asking: httpx.AsyncClient) -> None:
    """The keys of the listener come first, then the rule, the hops and what they mean."""
    (path,) = (await asking.get(f"{API}/paths")).json()["paths"]
    (listener,) = (await asking.get(f"{API}/listeners")).json()["listeners"]

    assert listener.items() <= path.items()
    assert path["decision"] == {"direction": "remote", "rule": "a rule", "source": "KB Q181420"}
    assert path["hops"] == [
        {
            "name": "connect",
            "target": "10.0.0.1:1745",
            "ok": False,
            "detail": "refused",
            "milliseconds": 1.25,
            "code": 10050,
            "hint": "start it",
        }
    ]


async def test_the_page_tells_every_key(asking: httpx.AsyncClient) -> None:
    """docs/api.md names each key of a listener and of a path, and each state."""
    from .test_api_docs import section

    told = section(f"GET {API}/listeners") + section(f"GET {API}/paths")

    for key in {*LISTENER.__struct_fields__, *PATH.__struct_fields__, *ListenerState}:
        assert f"`{key}`" in told, key
    for key in {*TROUBLE.__struct_fields__, *Hop.__slots__, *Decision.__struct_fields__}:
        assert f'"{key}"' in told, key


async def test_binding_again_answers_with_the_listener(
    asking: httpx.AsyncClient, desk: Desk
) -> None:
    """A POST has the listener tried once, and tells how it stands."""
    answer = await asking.post(f"{API}/listeners/0/rebind")

    assert (answer.status_code, answer.json()["number"], desk.rebound) == (200, 0, [0])


async def test_a_listener_that_needs_no_bind_is_a_conflict(
    asking: httpx.AsyncClient, desk: Desk
) -> None:
    """409 with the sentence of who knows."""
    desk.refusal = "The listener is bound."
    answer = await asking.post(f"{API}/listeners/0/rebind")

    assert (answer.status_code, answer.text) == (409, "The listener is bound.")
    assert desk.rebound == []


@pytest.mark.parametrize("number", ["1", "-1", "x", "٣", "1e3", "9" * 5000, "%20"])
async def test_a_number_that_none_has(asking: httpx.AsyncClient, desk: Desk, number: str) -> None:
    """404, whatever is in the path's place of a number."""
    answer = await asking.post(f"{API}/listeners/{number}/rebind")

    assert (answer.status_code, desk.rebound) == (404, [])


async def test_reading_is_no_way_to_bind(asking: httpx.AsyncClient, desk: Desk) -> None:
    """A GET, which any page elsewhere can cause, binds nothing."""
    answer = await asking.get(f"{API}/listeners/0/rebind")

    assert (answer.status_code, desk.rebound) == (405, [])


async def test_an_app_that_knows_none(http: httpx.AsyncClient) -> None:
    """Lists are empty then, and no number is one."""
    assert (await http.get(f"{API}/listeners")).json() == {"listeners": []}
    assert (await http.get(f"{API}/paths")).json() == {"paths": []}
    assert (await http.post(f"{API}/listeners/0/rebind")).status_code == 404
