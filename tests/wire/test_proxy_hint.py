"""A PROXY header that a listener doesn't expect is named in the log, once, and harms nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bindpost import events
from bindpost.proxy.haproxy.codec import Header, dumps

if TYPE_CHECKING:
    from tests.wire.conftest import Serve


@pytest.mark.meets("proxy_protocol", "unexpected")
@pytest.mark.parametrize(
    ("header", "version"),
    [(b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\r\n", "v1"), (dumps(Header(version=2)), "v2")],
)
async def test_an_unexpected_header_is_named(serve: Serve, header: bytes, version: str) -> None:
    """Whoever set the balancer up reads in the log what is wrong."""
    bench = await serve()
    peer = await bench.greeted()

    peer.send(header + b"\r\nQUIT\r\n")
    await peer.rest()

    assert (await bench.events.wait_for(events.PROXY_HEADER_UNEXPECTED))["version"] == version
    assert len(bench.events.of(events.PROXY_HEADER_UNEXPECTED)) == 1


async def test_mail_is_no_header(serve: Serve) -> None:
    """A session that begins as sessions do gives no hint, whatever comes later."""
    bench = await serve()
    peer = await bench.greeted()

    peer.send(b"HELO c\r\nPROXY UNKNOWN\r\nQUIT\r\n")
    await peer.rest()

    assert bench.events.of(events.PROXY_HEADER_UNEXPECTED) == []
