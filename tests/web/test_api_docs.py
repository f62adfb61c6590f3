"""That docs/api.md is complete and true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route, WebSocketRoute

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")


def endpoints(app: Starlette) -> Iterator[str]:
    """Give each method and path of the app as the page's headings write them."""
    for route in app.routes:
        assert isinstance(route, Route | Mount | WebSocketRoute)
        if isinstance(route, WebSocketRoute):
            yield f"WebSocket {route.path}"
            continue
        methods = (route.methods or set()) - {"HEAD"} if isinstance(route, Route) else {"GET"}
        for method in methods:
            yield f"{method} {route.path}"


async def test_every_endpoint_has_its_heading_and_the_other_way_round(app: Starlette) -> None:
    """The page has a heading for each endpoint, and none for anything else."""
    headings = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)

    assert sorted(headings) == sorted(endpoints(app))


def section(heading: str) -> str:
    """Give the text below a heading."""
    return PAGE.partition(f"### {heading}\n")[2].partition("\n#")[0]


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/api/v1/messages", ("start", "limit", "before")),
        ("/api/v1/search?query=x", ("start", "limit", "before", "tz")),
        ("/api/v2/messages", ("start", "limit")),
        ("/api/bindpost/v1/wait", ("after", "timeout")),
        ("/api/bindpost/v1/messages", ("limit", "before", "after")),
        ("/api/bindpost/v1/events", ("limit", "before", "after", "id", "level", "since", "until")),
    ],
)
async def test_documented_numbers_are_read(
    http: httpx.AsyncClient, path: str, parameters: tuple[str, ...]
) -> None:
    """Each number that the page documents is one that the endpoint reads."""
    for parameter in parameters:
        assert f"`{parameter}`" in section(f"GET {path.partition('?')[0]}")
        assert (await http.get(path, params={parameter: "bad"})).status_code == 400


async def test_the_documented_refusal_is_the_real_one(http: httpx.AsyncClient) -> None:
    """The text that the page shows for a DELETE without a body is what comes."""
    response = await http.delete("/api/v1/messages")

    assert response.text in section("DELETE /api/v1/messages")
