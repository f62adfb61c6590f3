"""The order of a start: the web side's port first, then SMTP, and the pages as soon as they can."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from bindpost import events as catalogue
from bindpost.config.model import Listener, Settings, WebAccess
from bindpost.errors import BindError, ConfigError
from bindpost.server.app import Bindpost

Events = Any
PATIENCE = 20.0


def app_of(
    folder: Path,
    *,
    listen: str = "127.0.0.1:0",
    via: str = "direct:",
    web: str = "127.0.0.1:0",
    access: WebAccess | None = None,
) -> Bindpost:
    """Give an app with a web side."""
    listener = Listener(listen, via=via)
    settings = Settings(
        listener=(listener,), web=web, data=":memory:", web_access=access or WebAccess()
    )
    return Bindpost(settings, folder=folder)


def port_of(listening: socket.socket) -> int:
    """Give the port that a socket has."""
    port: int = listening.getsockname()[1]
    return port


async def test_smtp_greets_before_the_pages_are_made(
    tmp_path: Path, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start greets while the web side is still being imported, and is ready after that."""
    may_be_made = threading.Event()
    make = Bindpost._make_web_app

    def make_later(app: Bindpost, parts: AsyncExitStack) -> Starlette:
        assert may_be_made.wait(PATIENCE)
        return make(app, parts)

    monkeypatch.setattr(Bindpost, "_make_web_app", make_later)
    app = app_of(tmp_path)
    starting = asyncio.create_task(app.__aenter__())
    bound = await events.wait_for(catalogue.LISTENER_BOUND)
    host, port = bound["addresses"][0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    greeting = await reader.readline()
    was_ready = app.ready.is_set()
    writer.close()
    may_be_made.set()
    await starting
    assert app.web is not None
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{app.web.url}/readyz")
    await app.__aexit__()

    assert greeting.startswith(b"220 ")
    assert not was_ready
    assert answer.status_code == 200


async def test_a_web_port_in_use_stops_a_start_before_mail_is_taken(
    tmp_path: Path, events: Events
) -> None:
    """The event tells the port, and no listener was bound for a start that came to nothing."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BindError) as caught:
        async with app_of(tmp_path, web=f"127.0.0.1:{port_of(taken)}"):
            pass

    (failed,) = events.of(catalogue.WEB_FAILED)
    assert (caught.value.code, failed["wsa_error"]) == (10048, 10048)
    assert not events.of(catalogue.LISTENER_BOUND)


@pytest.mark.parametrize(
    "access",
    [
        WebAccess(users="absent"),
        WebAccess(certificate="absent.pem"),
        WebAccess(cors_origins=("no origin",)),
    ],
    ids=["users", "certificate", "origins"],
)
async def test_bad_settings_of_the_pages_stop_a_start_before_mail_is_taken(
    tmp_path: Path, events: Events, access: WebAccess
) -> None:
    """What the pages are made from is read before any port is bound."""
    with pytest.raises(ConfigError, match="web_access"):
        async with app_of(tmp_path, access=access):
            pass

    assert not events.of(catalogue.WEB_BOUND)
    assert not events.of(catalogue.LISTENER_BOUND)


async def test_a_failed_bind_of_smtp_gives_the_web_port_back(
    tmp_path: Path, events: Events
) -> None:
    """A start that ends while the pages are made leaves no port and raises the bind's error."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BindError) as caught:
        async with app_of(tmp_path, listen=f"127.0.0.1:{port_of(taken)}"):
            pass

    (web,) = events.of(catalogue.WEB_BOUND)
    port = int(web["url"].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        assert caught.value.code == 10048


async def test_the_pages_tell_of_a_bind_that_takes_long(tmp_path: Path, events: Events) -> None:
    """While a proxy says nothing, the web side answers, and says that the listener is starting."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        app = app_of(tmp_path, listen="0.0.0.0:0", via=f"socks5://127.0.0.1:{port_of(silent)}")
        starting = asyncio.create_task(app.__aenter__())
        url = (await events.wait_for(catalogue.WEB_BOUND))["url"]
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            listeners = (await client.get(f"{url}/api/bindpost/v1/listeners")).json()["listeners"]
            readiness = await client.get(f"{url}/readyz")
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting

    assert [listener["state"] for listener in listeners] == ["starting"]
    assert readiness.status_code == 503
