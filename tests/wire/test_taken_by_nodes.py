"""Which node took a message: told by whatever made it, where the inbox can have several."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from bindpost.config.fault import Fault
from bindpost.config.model import Listener, Settings
from bindpost.server.app import Bindpost
from bindpost.testing.postgres import PostgresServer

PATIENCE = 20.0
BOUNCE = Fault(name="late", stage="after-acceptance", action="bounce", count=1)
DRAFT = {"From": {"Email": "a@b.test"}, "To": [{"Email": "c@d.test"}]}


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """Give the URL of a schema without tables."""
    with postgres.new_schema() as url:
        yield url


def settings(**more: Any) -> Settings:
    """Give the settings of a node with a web side."""
    return Settings(listener=(Listener("127.0.0.1:0"),), web="127.0.0.1:0", **more)


def send(app: Bindpost) -> None:
    """Send a message by SMTP."""
    with smtplib.SMTP(app.smtp[0].host, app.smtp[0].port, timeout=PATIENCE) as smtp:
        smtp.sendmail("a@b.test", ["c@d.test"], "Subject: hello\r\n\r\n")


async def bring(app: Bindpost) -> None:
    """Bring a message in each way, one of which bounces; return when all are kept."""
    changes = app.store.changes()
    assert app.web is not None
    async with httpx.AsyncClient(base_url=app.web.url) as http:
        await asyncio.to_thread(send, app)
        (await http.post("/api/bindpost/v1/import", content=b"x")).raise_for_status()
        (await http.post("/api/v1/send", json=DRAFT)).raise_for_status()
    async with asyncio.timeout(PATIENCE):
        for _ in range(4):
            await anext(changes)


@pytest.mark.parametrize("engine", ["fast", "stock"])
async def test_a_node_puts_its_name_into_what_it_takes(
    url: str, tmp_path: Path, engine: Literal["fast", "stock"]
) -> None:
    """
    Mail by SMTP, an import, what the API sent, and a bounce; and each change has it, too.

    A name that a reload brings counts after a restart only: followers still go by the old one.
    """
    common = {"store": url, "data": "data", "engine": engine, "fault": (BOUNCE,)}
    async with Bindpost(settings(node="a", **common), folder=tmp_path) as app:
        await app.reload(settings(node="b", **common), folder=tmp_path)

        await bring(app)
        await app.store.mark(None, read=True)

        rows = await app.store.find()
        assert {row.session.via for row in rows} == {"direct:", "import", "bounce"}
        assert {row.session.node for row in rows} == {"a"}
        changes = app.store.changes(0)
        assert {(await anext(changes)).node for _ in range(5)} == {"a"}


async def test_where_no_other_node_has_the_inbox_it_is_nobodys(tmp_path: Path) -> None:
    """An inbox in the data folder has no nodes to tell apart, whatever this one is called."""
    async with Bindpost(settings(node="a", data="data", fault=(BOUNCE,)), folder=tmp_path) as app:
        await bring(app)

        assert {row.session.node for row in await app.store.find()} == {None}
