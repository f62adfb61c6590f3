"""The OpenAPI document: each route is in it, and each parameter that is read."""

from __future__ import annotations

import re
import typing
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.routing import Route

from bindpost.server.eventlog import FORMATS
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.memory_events import MemoryEventStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web.app import create_app
from bindpost.server.web.openapi import COMMON, document
from bindpost.server.web.operations import OPERATIONS, PREFIX

from .conftest import Desk
from .laboratory import ANYBODY

Deliver = Callable[..., Awaitable[MessageRow]]
HOW = "describe it in server/web/operations.py"


def routes_of(app: Starlette) -> set[str]:
    """Give method and path of each route of our own API."""
    return {
        f"{method} {route.path}"
        for route in app.routes
        if isinstance(route, Route) and route.path.startswith(f"{PREFIX}/")
        for method in (route.methods or set()) - {"HEAD"}
    }


async def test_every_route_is_described(app: Starlette) -> None:
    """A route that the document lacks is a line that operations.py lacks."""
    missing = routes_of(app) - set(OPERATIONS)

    assert not missing, f"{sorted(missing)} is in no OpenAPI document: {HOW}"


async def test_nothing_else_is_described(app: Starlette) -> None:
    """What the document has is a route."""
    stale = set(OPERATIONS) - routes_of(app)

    assert not stale, f"{sorted(stale)} is no route: take it out of server/web/operations.py"


@pytest.mark.parametrize("key", OPERATIONS)
def test_the_parts_of_a_path_are_described(key: str) -> None:
    """Each `{name}` in a path has its parameter, and no other is in the path."""
    described = {one.name for one in OPERATIONS[key].parameters if one.where == "path"}

    assert described == set(re.findall(r"\{(\w+)\}", key))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Give the names of the query's parameters that handlers ask for, as they do."""
    names: set[str] = set()

    class Noted(QueryParams):
        def __contains__(self, key: object) -> bool:
            names.add(str(key))
            return super().__contains__(key)

        def __getitem__(self, key: typing.Any) -> str:
            names.add(key)
            return super().__getitem__(key)

        def getlist(self, key: typing.Any) -> list[str]:
            names.add(key)
            return super().getlist(key)

        def get(self, key: typing.Any, default: typing.Any = None) -> typing.Any:
            names.add(key)
            return super().get(key, default)

    monkeypatch.setattr("starlette.requests.QueryParams", Noted)
    return names


@pytest.fixture
async def whole(
    store: MemoryStore, kept: MemoryEventStore, desk: Desk, deliver: Deliver
) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an app that has everything, going down, so that nothing waits."""
    await deliver()
    app = create_app(
        store,
        ready=lambda: True,
        version="1",
        listeners=desk,
        run_rule=ANYBODY,
        events=kept,
        exports=FORMATS,
    )
    app.state.stopping.set()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("key", OPERATIONS)
async def test_what_a_handler_reads_is_described(
    whole: httpx.AsyncClient, asked: set[str], key: str
) -> None:
    """The parameters of the document are those that the handler asks the query for."""
    method, path = key.split()
    path = path.replace("{id}", "latest").replace("{number}", "0").replace("{cursor}", "1")
    path = path.replace("{name}", "q203116")  # a scenario, and a preset of faults
    assert "{" not in path, f"give {path} a value here"
    described = {one.name for one in OPERATIONS[key].parameters if one.where == "query"}

    await whole.request(method, path)

    assert asked == described, f"{key} reads {sorted(asked)}, not {sorted(described)}: {HOW}"


def test_the_forms_of_an_export_are_described() -> None:
    """The names and media types of the document are those that there are."""
    export = OPERATIONS[f"GET {PREFIX}/events/export"]
    (form,) = [one.type for one in export.parameters if one.name == "format"]

    assert typing.get_args(form) == tuple(FORMATS)
    assert set(export.answers[200].media_types) == {form.media_type for form in FORMATS.values()}


async def test_the_document_is_served(http: httpx.AsyncClient) -> None:
    """It is JSON, of this version, with the answers that every route may give."""
    response = await http.get(f"{PREFIX}/openapi.json")
    served = response.json()

    assert response.headers["content-type"] == "application/json"
    assert served == msgspec.json.decode(msgspec.json.encode(document("1.2.3")))
    assert served["openapi"].startswith("3.1.")
    for path in served["paths"].values():
        for operation in path.values():
            assert {str(status) for status in COMMON} <= set(operation["responses"])


def test_references_lead_somewhere() -> None:
    """Each `$ref` of the document names a component that is there; names are given once."""
    made = document("1")
    text = str(made)
    names = [one["operationId"] for path in made["paths"].values() for one in path.values()]

    for kind, name in re.findall(r"#/components/(\w+)/(\w+)", text):
        assert name in made["components"][kind]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", f"{PREFIX}/messages", "DELETE, GET, HEAD"),
        ("OPTIONS", f"{PREFIX}/messages/x/release", "GET, HEAD, POST"),
        ("GET", f"{PREFIX}/listeners/0/rebind", "POST"),
        ("POST", "/static/style.css", "GET, HEAD"),
    ],
)
async def test_405_names_every_method(
    http: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    """A path that several routes have says all their methods (RFC 9110, 15.5.6)."""
    response = await http.request(method, path)

    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) >= set(allowed.split(", "))
