"""The self-test through Dante, as its own process: who gets in, who can't, what `serve` logs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.local import free_port
from bindpost.proxy.socks.dante import Dante
from bindpost.proxy.socks.matrix import MATRIX
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.testing import Serve

SelfTest = Callable[..., Awaitable[tuple[int, list[dict[str, Any]]]]]
"""Runs `bindpost check --self-test`; see conftest.py."""
ROWS = {row.key: row for row in MATRIX}


@pytest.mark.parametrize("scheme", ["socks5", "socks4"])
async def test_self_test(dante: Dante, self_test: SelfTest, scheme: str) -> None:
    """With a rule for CONNECT it comes back in, and the port is free for `serve` at once."""
    dante.start(connect=True)
    endpoint = Endpoint("0.0.0.0", free_port())
    url = dante.url(scheme)
    status, (verdict,) = await self_test("--listen", str(endpoint), "--via", url)

    assert [(hop["name"], hop["ok"]) for hop in verdict["hops"][4:]] == [
        ("bind", True),
        ("reach", True),
        ("accept", True),
        ("peer", True if scheme == "socks5" else None),
    ]
    assert (status, verdict["code"], verdict["reachable"]) == (0, None, True)
    listener = await SocksProvider.from_url(url).create_server(asyncio.Protocol, endpoint)
    listener.close()
    await listener.wait_closed()


async def test_self_test_without_a_rule_for_connect(dante: Dante, self_test: SelfTest) -> None:
    """Without one the bind is made, and whether anybody gets in is left open: no failure."""
    dante.start()
    status, (verdict,) = await self_test("--listen", f"0.0.0.0:{free_port()}", "--via", dante.url())

    reach = verdict["hops"][5]
    assert (status, verdict["reachable"]) == (0, None)
    assert (reach["name"], reach["ok"], reach["hint"]) == ("reach", None, ROWS["no-connect"].hint)
    assert "can't be told from here" in verdict["sentence"]


async def test_self_test_without_a_rule_for_bindreply(dante: Dante, self_test: SelfTest) -> None:
    """What no walk sees: bound, and every client refused; 69, and the event of the first one."""
    dante.start(bindreply=False, connect=True)
    status, (verdict,) = await self_test("--listen", f"0.0.0.0:{free_port()}", "--via", dante.url())

    accept = verdict["hops"][6]
    assert (status, verdict["code"], verdict["reachable"]) == (69, 10050, False)
    assert (accept["name"], accept["ok"], accept["code"]) == ("accept", False, 10050)
    assert accept["hint"] == ROWS["bindreply"].hint
    assert "no peer can reach it" in verdict["sentence"]
    assert "(10050)" in verdict["sentence"]


async def test_self_test_says_what_serve_logs(
    dante: Dante, self_test: SelfTest, serve: Serve
) -> None:
    """`serve` with the same settings is ready, and logs that event when a client comes."""
    dante.start(bindreply=False, connect=True)
    _, (verdict,) = await self_test("--listen", f"0.0.0.0:{free_port()}", "--via", dante.url())
    serving = await asyncio.to_thread(
        serve("--via", dante.url(), listen=f"0.0.0.0:{free_port()}").wait_ready
    )
    with socket.create_connection(serving.smtp):
        record = await asyncio.to_thread(
            serving.wait_for, lambda record: record.get("EventID") == 4007
        )

    assert record["Data"] == [str(verdict["code"])]
    assert record["bindpost"]["hint"] == verdict["hops"][6]["hint"]
    assert record["message"] in verdict["sentence"]


async def test_self_test_of_a_port_that_dante_forbids(dante: Dante, self_test: SelfTest) -> None:
    """A bind that is refused is told as `serve` would."""
    dante.start(bind=False, connect=True)
    status, (verdict,) = await self_test("--listen", f"0.0.0.0:{free_port()}", "--via", dante.url())

    bind = verdict["hops"][4]
    assert (status, bind["code"], bind["hint"]) == (69, 10050, ROWS["rules"].hint)
    assert len(verdict["hops"]) == 5
