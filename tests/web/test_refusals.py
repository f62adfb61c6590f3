"""What is refused or fails: a page for who goes to one, a sentence for everybody else."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bindpost.errors import StoreAwayError
from bindpost.server.web.guard import Guard
from bindpost.server.web.look import Look
from bindpost.server.web.refusals import Refusals

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Dest": "document"}


async def test_a_browser_gets_a_page_with_a_way_on(http: httpx.AsyncClient) -> None:
    """It has the status that the sentence has, and the bar with the other pages."""
    for path in ("/nothing", "/view/0000000000000000000000"):
        answer = await http.get(path, headers=BROWSER)

        assert (answer.status_code, answer.headers["Content-Type"]) == (
            404,
            "text/html; charset=utf-8",
        )
        assert "There is no such page, or what it showed has been deleted." in answer.text
        assert '<a href="/events"' in answer.text
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


async def test_a_store_that_is_away_is_told_on_a_page() -> None:
    """It says why, and the link to try again keeps the whole address."""

    async def fail(_: Request) -> Response:
        raise StoreAwayError("PostgreSQL <x> can't be used now")

    guard = Middleware(Guard, refusals=Refusals(Look(version="1")))
    app = Starlette(routes=[Route("/", fail)], middleware=[guard])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        page, sentence = await client.get("/", headers=BROWSER), await client.get("/")

    assert (page.status_code, sentence.status_code) == (503, 503)
    assert "The message store failed: PostgreSQL &lt;x&gt; can&#39;t be used now" in page.text
    assert '<a href="">Try again</a>' in page.text
    assert sentence.text == "The message store failed: PostgreSQL <x> can't be used now"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/nothing", {}),
        ("/nothing", BROWSER | {"Sec-Fetch-Dest": "iframe"}),
        ("/nothing", BROWSER | {"Sec-Fetch-Dest": "empty"}),
        ("/api/v1/nothing", BROWSER),
    ],
)
async def test_everybody_else_gets_a_sentence(
    http: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    """Programs, scripts and frames of a page, and who looks at an API."""
    answer = await http.get(path, headers=headers)

    assert (answer.status_code, answer.text) == (404, "404 page not found")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
