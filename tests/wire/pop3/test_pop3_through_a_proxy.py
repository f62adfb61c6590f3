"""POP3 through a bind path: bound at a SOCKS proxy; STLS works on what comes from there."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from bindpost import events as catalogue
from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Pop3, Settings, Tls
from bindpost.errors import BindError
from bindpost.proxy.local import free_port
from bindpost.proxy.socks.standin import SocksServer
from bindpost.server.pop3.server import Pop3Server
from bindpost.server.smtp.service import Resources
from bindpost.server.store.memory import MemoryStore

from ..conftest import PATIENCE, Events
from .conftest import Client


def make(via: str) -> Pop3Server:
    """Give a server that is to be bound by this path."""
    table = Pop3(endpoint="0.0.0.0:0", via=via)
    settings = Settings(pop3=table, tls=Tls(certificate="self-signed"))
    resources = Resources.load(settings, hostname="localhost", folder=Path())
    server = Pop3Server.load(
        settings, folder=Path(), tls_context=resources.tls_context, hostname="localhost"
    )
    assert server is not None
    return server


async def test_a_client_comes_through_the_proxy(events: Events, trusting: ssl.SSLContext) -> None:
    """The event names the path, and the session is one like any other."""
    async with SocksServer() as proxy:
        server = make(f"socks5://{proxy.address}")
        store = MemoryStore()
        await server.start(store)
        address = server.addresses[0]
        client = Client(*await asyncio.open_connection(address.host, address.port))
        assert (await client.line()).startswith(b"+OK")
        assert (await client.say("STLS")).startswith(b"+OK")
        await client.writer.start_tls(trusting, server_hostname="localhost")
        assert (await client.login()).startswith(b"+OK * has 0 ")
        assert (await client.say("QUIT")).startswith(b"+OK")
        client.writer.close()
        await server.stop(PATIENCE)
        await store.close()
        via = f"socks5://{proxy.address}"

    assert events.of(catalogue.POP3_BOUND)[0]["via"] == via


async def test_a_proxy_that_is_not_there_is_told(events: Events) -> None:
    """10050 and the hop, as for a listener, in POP3's own event."""
    nobody = Endpoint("127.0.0.1", free_port())
    server = make(f"socks5://{nobody}")

    with pytest.raises(BindError):
        await server.start(MemoryStore())

    failed = events.of(catalogue.POP3_FAILED)[0]
    assert (failed["wsa_error"], failed["hop"]) == (10050, "connect")
