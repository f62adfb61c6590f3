"""The probes."""

from __future__ import annotations

import httpx
import pytest

from bindpost.server.store.memory import MemoryStore
from bindpost.server.web.app import create_app


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
async def test_readiness_is_what_the_app_says(store: MemoryStore, ready: bool, status: int) -> None:
    """/readyz is 200 once every listener is bound and 503 before; /livez is 200 all the time."""
    app = create_app(store, ready=lambda: ready, version="1")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        readiness = await client.get("/readyz")
        liveness = await client.get("/livez")

    assert (readiness.status_code, readiness.content) == (status, b"")
    assert liveness.status_code == 200
