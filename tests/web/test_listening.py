"""The listeners over HTTP, from somebody who knows them: what is asked, answered and refused."""

from __future__ import annotations

import httpx
import pytest

from bindpost.proxy.provider import Hop, ListenerState
from bindpost.server.web.listener_objects import Decision

from .conftest import LISTENER, PATH, TROUBLE, Desk
from .test_api_docs import section

API = "/api/bindpost/v1"


async def test_a_listener_is_told_key_by_key(asking: httpx.AsyncClient) -> None:
    """Times are RFC 3339, the error is an object with the event's sentence."""
    answer = await asking.get(f"{API}/listeners")

    (listener,) = answer.json()["listeners"]
    assert list(listener) == list(LISTENER.__struct_fields__)
    assert (listener["state"], listener["since"]) == ("retrying", "2026-03-01T11:31:00Z")
    assert listener["last_error"]["name"] == "WSAENETDOWN"
    assert list(listener["last_error"]) == list(TROUBLE.__struct_fields__)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_no_other_site_has_paths_walked(asking: httpx.AsyncClient, site: str) -> None:
    """An image on another site's page, which browsers send no Origin with, walks nothing."""
    answer = await asking.get("/api/bindpost/v1/paths", headers={"Sec-Fetch-Site": site})

    assert answer.status_code == 403


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
