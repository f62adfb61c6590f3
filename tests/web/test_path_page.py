"""The path page, without a browser."""

from __future__ import annotations

import httpx

from bindpost.server.store.memory import MemoryStore
from bindpost.server.web.app import create_app


async def test_nobody_is_asked_until_somebody_asks(asking: httpx.AsyncClient) -> None:
    """The page shows what is known: the state and the last error; a walk shows each hop."""
    known = (await asking.get("/path")).text
    walked = (await asking.get("/path?walk")).text
    part = (await asking.get("/path?part=listeners")).text

    for words in ("0.0.0.0:2525", "retrying", "10050", "WSAENETDOWN", "start the proxy", "0 of 1"):
        assert words in known
        assert words in part
    assert "1.2 ms" not in known
    assert "1.2 ms" in walked
    assert "start it" in walked
    assert "It is not bound." in walked
    assert "<html" not in part


async def test_without_listeners_it_says_so(http: httpx.AsyncClient) -> None:
    """There may be none."""
    assert "There are no listeners." in (await http.get("/path")).text


async def test_without_an_event_store_the_viewer_says_so(store: MemoryStore) -> None:
    """Where no events are kept, the page names the setting, and an event is not found."""
    transport = httpx.ASGITransport(create_app(store, ready=lambda: True, version="1"))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        assert "set event_log.keep" in (await http.get("/events")).text
        assert (await http.get("/events/1")).status_code == 404
