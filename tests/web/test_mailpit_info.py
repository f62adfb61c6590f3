"""What the server says of itself through Mailpit's REST API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import httpx
import pytest

from bindpost.server.activity import Activity
from bindpost.server.message.job import Job
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web.app import Compatibility, create_app

Deliver = Callable[..., Awaitable[MessageRow]]


async def test_info_has_exactly_mailpits_fields(store: MemoryStore, deliver: Deliver) -> None:
    """Version, counts, tags and what happened since the start."""
    activity = Activity()
    activity.begin((await store.count()).total)
    first = await deliver(to=("a+x@b",))
    await deliver()
    for _ in range(2):
        activity.accept(10)
    activity.reject()
    await store.delete([first.id])
    app = create_app(
        store,
        ready=lambda: True,
        version="1.2",
        activity=activity,
        compatibility=Compatibility(database="/d"),
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        info = (await client.get("/api/v1/info")).json()

    stats = info.pop("RuntimeStats")
    assert stats.pop("Memory") > 1_000_000
    assert stats.pop("Uptime") < 60
    assert stats == {
        "MessagesDeleted": 1,
        "SMTPAccepted": 2,
        "SMTPAcceptedSize": 20,
        "SMTPRejected": 1,
        "SMTPIgnored": 0,
    }
    size = (await store.count()).size
    assert info == {
        "Version": "v1.2",
        "LatestVersion": "disabled",
        "Database": "/d",
        "DatabaseSize": size,
        "Messages": 1,
        "Unread": 1,
        "Tags": {},
    }


class Relay:
    """A relay that has only settings."""

    server = "mx.example:25"
    allowed: Sequence[str] = ("*@a.example", "b@c.example")

    async def release(self, row: MessageRow, to: Sequence[str] | None) -> Job:
        """Refuse."""
        raise ValueError("no")

    async def jobs(self, message_id: str) -> Sequence[Job]:
        """Give none."""
        return ()


@pytest.mark.parametrize("relay", [None, Relay()], ids=["without", "with"])
async def test_webui_has_exactly_mailpits_fields(store: MemoryStore, relay: Relay | None) -> None:
    """The settings that Mailpit's pages ask for; the relay's only when there is one."""
    app = create_app(store, ready=lambda: True, version="1", relay=relay)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        ui = (await client.get("/api/v1/webui")).json()

    allowed = "*@a.example, b@c.example" if relay else ""
    assert ui == {
        "Label": "",
        "MessageRelay": {
            "Enabled": relay is not None,
            "SMTPServer": "mx.example:25" if relay else "",
            "ReturnPath": "",
            "AllowedRecipients": allowed,
            "BlockedRecipients": "",
            "OverrideFrom": "",
            "PreserveMessageIDs": relay is not None,
            "RecipientAllowlist": allowed,
        },
        "SpamAssassin": False,
        "ChaosEnabled": False,
        "DuplicatesIgnored": False,
        "HideDeleteAllButton": False,
    }


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_chaos_is_off_unless_it_is_enabled(http: httpx.AsyncClient, method: str) -> None:
    """Chaos answers as a Mailpit does that runs without it."""
    response = await http.request(method, "/api/v1/chaos", content=b"{}")

    assert (response.status_code, response.text) == (400, "Chaos is not enabled")
