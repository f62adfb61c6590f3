"""The listeners of a whole app, told over its own HTTP: states, walks, binding again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

import httpx
import pytest

from bindpost import events as catalogue
from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Listener, Settings, WinsockPath
from bindpost.proxy.local import free_port
from bindpost.proxy.socks.standin import SocksServer
from bindpost.proxy.winsock.standin import WinsockProxyServer
from bindpost.server.app import Bindpost

Events = Any
Policy = Literal["stop", "retry", "continue"]
PATIENCE: Final = 20.0
API: Final = "/api/bindpost/v1"
ANYWHERE: Final = "127.0.0.1:0"


class Api:
    """A running app, and what its API tells."""

    def __init__(self, app: Bindpost, client: httpx.AsyncClient) -> None:
        self.app = app
        self._client = client

    async def listeners(self) -> list[dict[str, Any]]:
        """Give all listeners."""
        found: list[dict[str, Any]] = (await self._get("listeners"))["listeners"]
        return found

    async def listener(self) -> dict[str, Any]:
        """Give the only listener."""
        (listener,) = await self.listeners()
        return listener

    async def path(self) -> dict[str, Any]:
        """Give the only listener with its path."""
        (path,) = (await self._get("paths"))["paths"]
        assert isinstance(path, dict)
        return path

    async def rebind(self) -> httpx.Response:
        """Have the first listener bound again."""
        return await self._client.post(f"{API}/listeners/0/rebind")

    async def rebind_until_bound(self) -> dict[str, Any]:
        """Ask for attempts until one has worked; each answer comes after one."""
        async with asyncio.timeout(PATIENCE):
            while (await self.rebind()).status_code == 200:
                pass
        return await self.listener()

    async def _get(self, name: str) -> Any:
        answer = await self._client.get(f"{API}/{name}")
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def running(
    *listeners: Listener, folder: Path, policy: Policy = "stop", **settings: Any
) -> AsyncIterator[Api]:
    """Run an app with its web side, and a client of that."""
    made = Settings(
        listener=listeners, web=ANYWHERE, data=":memory:", on_bind_failure=policy, **settings
    )
    async with Bindpost(made, folder=folder) as app:
        assert app.web is not None
        async with httpx.AsyncClient(base_url=app.web.url, timeout=PATIENCE) as client:
            yield Api(app, client)


def names(path: dict[str, Any]) -> list[str]:
    """Give the names of a path's hops."""
    return [hop["name"] for hop in path["hops"]]


def faults(path: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the hops of a path that failed."""
    return [hop for hop in path["hops"] if hop["ok"] is False]


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """Give a socket that listens, so that its port is taken."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def port_of(sock: socket.socket) -> int:
    """Give the port of a socket."""
    port: int = sock.getsockname()[1]
    return port


async def test_a_bound_listener(tmp_path: Path, events: Events) -> None:
    """It is told with its real port and its own personality; its own port is no fault."""
    async with running(
        Listener(endpoint=ANYWHERE, personality="plain", tls="off"), folder=tmp_path
    ) as api:
        listener, path = await api.listener(), await api.path()
        address = str(api.app.smtp[0])
        refused = await api.rebind()

    assert (listener["state"], listener["addresses"]) == ("listening", [address])
    assert (listener["endpoint"], listener["via"]) == (ANYWHERE, "direct:")
    assert (listener["personality"], listener["tls"]) == ("plain", "off")
    assert (listener["capacity"], listener["sessions"], listener["attempts"]) == (None, 0, 0)
    assert (listener["retry_in"], listener["last_error"]) == (None, None)
    assert names(path) == ["resolve", "bind", "bound"]
    assert path["hops"][1]["target"] == address
    assert path["hops"][1]["detail"] == "held by this listener"
    assert path["sentence"] == f"It is bound at {address}, and its path is in order."
    assert (path["code"], path["decision"]) == (None, None)
    assert refused.status_code == 409
    assert address in refused.text


async def test_sessions_are_counted_by_listener(tmp_path: Path, events: Events) -> None:
    """Two listeners of the same words have each its own sessions, as long as they are open."""
    two = [Listener(endpoint=ANYWHERE), Listener(endpoint=ANYWHERE)]
    async with running(*two, folder=tmp_path) as api:
        address = api.app.smtp[1]
        reader, writer = await asyncio.open_connection(address.host, address.port)
        await reader.readline()
        during = [listener["sessions"] for listener in await api.listeners()]
        writer.write(b"QUIT\r\n")
        await reader.read()
        await api.app.sessions.drain(PATIENCE)
        after = [listener["sessions"] for listener in await api.listeners()]
        writer.close()

    assert (during, after) == ([0, 1], [0, 0])


async def test_failed_until_somebody_asks(
    tmp_path: Path, taken: socket.socket, events: Events
) -> None:
    """Under `continue` a listener stays failed, tried or not, until its port is free."""
    endpoint = f"127.0.0.1:{port_of(taken)}"
    async with running(Listener(endpoint=endpoint), folder=tmp_path, policy="continue") as api:
        failed, path = await api.listener(), await api.path()
        in_vain = (await api.rebind()).json()
        taken.close()
        bound = await api.rebind()
        later = await api.listener()

    assert (failed["state"], failed["addresses"], failed["attempts"]) == ("failed", [], 1)
    assert failed["retry_in"] is None
    assert (failed["last_error"]["code"], failed["last_error"]["name"]) == (10048, "WSAEADDRINUSE")
    assert failed["last_error"]["sentence"].endswith("TCP/IP listener socket (10048)")
    assert failed["last_error"]["hint"]
    assert (path["code"], [hop["name"] for hop in faults(path)]) == (10048, ["bind"])
    assert path["sentence"].startswith("It is not bound; a bind now would log event 4007: ")
    assert (in_vain["state"], in_vain["attempts"]) == ("failed", 2)
    assert in_vain["since"] == failed["since"]
    assert (bound.status_code, bound.json()["state"]) == (200, "listening")
    assert later["addresses"] == [endpoint]
    assert later["last_error"] == in_vain["last_error"]
    assert len(events.of(catalogue.BIND_FAILED)) == 1


async def test_a_retry_is_hurried(tmp_path: Path, taken: socket.socket, events: Events) -> None:
    """Under `retry` the pause until the next attempt is told, and a POST cuts it short."""
    async with running(
        Listener(endpoint=f"127.0.0.1:{port_of(taken)}"), folder=tmp_path, policy="retry"
    ) as api:
        await events.wait_for(catalogue.REBIND_ATTEMPT)
        waiting = await api.listener()
        for _ in range(8):  # by itself that would be over a minute
            in_vain = (await api.rebind()).json()
        taken.close()
        bound = await api.rebind_until_bound()

    assert (waiting["state"], waiting["last_error"]["code"]) == ("retrying", 10048)
    assert (in_vain["state"], in_vain["since"]) == ("retrying", waiting["since"])
    assert in_vain["attempts"] >= 9
    assert 5 < in_vain["retry_in"] <= 37.5
    assert (bound["state"], bound["attempts"], bound["retry_in"]) == ("listening", 0, None)


async def test_a_socks_listener_with_a_client(tmp_path: Path, events: Events) -> None:
    """Its one place, and that it is taken, is told; its path is in order; no password is shown."""
    async with SocksServer(users={"me": "s3cret"}) as proxy:
        listener = Listener(endpoint="0.0.0.0:0", via=proxy.url(login="me:s3cret"))
        async with running(listener, folder=tmp_path) as api:
            fresh = await api.listener()
            address = Endpoint.parse(fresh["addresses"][0])
            reader, writer = await asyncio.open_connection(address.host, address.port)
            await reader.readline()
            busy, path = await api.listener(), await api.path()
            writer.close()

    assert (fresh["state"], fresh["capacity"], fresh["sessions"]) == ("listening", 1, 0)
    assert (busy["state"], busy["sessions"], busy["addresses"]) == ("busy", 1, [str(address)])
    assert busy["since"] > fresh["since"]
    assert names(path) == ["resolve", "connect", "greeting", "auth", "bound"]
    assert faults(path) == []
    assert fresh["via"] == f"socks5://me:***@{proxy.address}"
    assert "s3cret" not in repr((fresh, busy, path))


async def test_a_socks_proxy_that_dies_and_returns(tmp_path: Path, events: Events) -> None:
    """Listening, retrying with the reason, and listening again when somebody asks for it."""
    async with contextlib.AsyncExitStack() as proxies:
        proxy = await proxies.enter_async_context(SocksServer())
        listener = Listener(endpoint="0.0.0.0:0", via=proxy.url())
        async with running(listener, folder=tmp_path) as api:
            fresh = await api.listener()
            await proxies.aclose()
            await events.wait_for(catalogue.PATH_LOST)
            lost, path = (await api.rebind()).json(), await api.path()
            for _ in range(10):  # by itself that would be over ten seconds
                lost = (await api.rebind()).json()
            await proxies.enter_async_context(SocksServer(port=proxy.address.port))
            back = await api.rebind_until_bound()
            address = Endpoint.parse(back["addresses"][0])
            reader, writer = await asyncio.open_connection(address.host, address.port)
            banner = await reader.readline()
            writer.close()

    assert (lost["state"], lost["addresses"]) == ("retrying", fresh["addresses"])
    assert lost["attempts"] >= 10
    assert 0 < lost["retry_in"] <= 5
    assert (lost["last_error"]["code"], lost["last_error"]["hop"]) == (10050, "connect")
    assert (path["code"], [hop["name"] for hop in faults(path)]) == (10050, ["connect"])
    assert path["hops"][-1]["ok"] is None
    assert (back["state"], back["addresses"]) == ("listening", fresh["addresses"])
    assert (back["attempts"], back["last_error"]) == (0, lost["last_error"])
    assert back["since"] > lost["since"] > fresh["since"]
    assert banner.startswith(b"220 ")
    recovered = await events.wait_for(catalogue.PATH_RECOVERED)
    assert recovered["attempt"] > 10
    assert len(events.of(catalogue.SINGLE_SESSION)) == 1


async def test_one_session_at_a_time_is_said_where_it_holds(tmp_path: Path, events: Events) -> None:
    """The warning names the SOCKS listener, and nothing is said of one without a limit."""
    async with SocksServer() as proxy:
        two = [Listener(endpoint="0.0.0.0:0", via=proxy.url()), Listener(endpoint=ANYWHERE)]
        async with running(*two, folder=tmp_path):
            pass

    assert events.of(catalogue.SINGLE_SESSION) == [{"listener": "0.0.0.0:0", "via": proxy.url()}]


async def test_a_winsock_path_tells_its_rule(tmp_path: Path, events: Events) -> None:
    """The decision and its source are there, also behind the PROXY protocol; all is in order."""
    async with WinsockProxyServer("127.0.0.1", "127.0.0.2") as proxy:
        (tmp_path / "wspcfg.ini").write_text("[msexcimc]\nServerBindTcpPorts=1-65535\n")
        lab = WinsockPath(server=":".join(map(str, proxy.address)), wspcfg="wspcfg.ini")
        port = free_port("127.0.0.1", "127.0.0.2")
        listener = Listener(
            endpoint=f"127.0.0.1:{port}",
            via="lab",
            proxy_protocol=True,
            protocol="lmtp",
            personality="plain",
        )
        async with running(listener, folder=tmp_path, path={"lab": lab}) as api:
            path = await api.path()
            after = await api.listener()

    assert path["proxy_protocol"] is True
    assert path["protocol"] == "lmtp"
    assert path["decision"]["direction"] == "remote"
    assert "ServerBindTcpPorts=1-65535" in path["decision"]["rule"]
    assert path["decision"]["source"] == "KB Q181420, Q222553"
    assert path["addresses"] == [f"127.0.0.2:{port}", f"127.0.0.1:{port}"]
    assert all(hop["ok"] for hop in path["hops"]), path["hops"]
    assert names(path)[0] == "decision"
    assert names(path)[-2:] == ["header", "bound"]
    assert after["state"] == "listening"
