"""The way through a proxy: SOCKS 4, 4a, 5 and HTTP CONNECT, and everything that can go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bindpost import events
from bindpost.config.endpoint import Endpoint
from bindpost.server.relay.delivery import Answer

from ...clock import Clock
from .conftest import Log
from .mta import Mta
from .proxy import ProxyDouble

Send = Callable[..., Any]

SENT = (Answer("sent", 250, "taken"),)
SCHEMES = ["socks5", "socks4", "socks4a", "http"]


def url(proxy: ProxyDouble, scheme: str, login: str = "") -> str:
    """Give the proxy's URL."""
    return f"{scheme}://{login}{Endpoint(*proxy.address)}"


@pytest.mark.parametrize("eager", [False, True], ids=["prompt", "eager"])
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_message_goes_through(
    send: Send, mta: Mta, proxy: ProxyDouble, scheme: str, eager: bool
) -> None:
    """
    Through each kind of proxy the bytes arrive as they are.

    Also when the proxy sends the server's banner together with its own answer: not a byte of it may
    be swallowed.
    """
    proxy.eager = eager
    result = await send(via=url(proxy, scheme))

    assert result.answers == SENT
    assert len(mta.mails) == 1
    assert proxy.asked == [mta.address]


@pytest.mark.parametrize("scheme", ["socks5", "socks4a", "http"])
async def test_the_proxy_resolves_the_name(
    send: Send, mta: Mta, proxy: ProxyDouble, scheme: str
) -> None:
    """The server's name is told to the proxy as it is: only the proxy may know it."""
    proxy.names["mail.lab.invalid"] = "127.0.0.1"
    port = mta.address[1]
    result = await send(server=f"mail.lab.invalid:{port}", via=url(proxy, scheme))

    assert result.answers == SENT
    assert proxy.asked == [("mail.lab.invalid", port)]


async def test_socks4_leaves_the_name_to_us(send: Send, mta: Mta, proxy: ProxyDouble) -> None:
    """SOCKS4 knows addresses only, so the name is looked up here."""
    result = await send(server=f"localhost:{mta.address[1]}", via=url(proxy, "socks4"))

    assert result.answers == SENT
    assert proxy.asked == [mta.address]


async def test_a_name_that_socks4_cannot_ask_for(send: Send, proxy: ProxyDouble) -> None:
    """With SOCKS4 a name that is unknown here fails at the server's hop."""
    result = await send(server="mail.lab.invalid:25", via=url(proxy, "socks4"))

    assert result.trouble.hop == "server"
    assert "looking up server mail.lab.invalid:25" in str(result.trouble)


@pytest.mark.parametrize("scheme", ["socks5", "http"])
async def test_ipv6_is_asked_for_as_it_is(send: Send, proxy: ProxyDouble, scheme: str) -> None:
    """A server with an IPv6 address is asked for in the way of each protocol."""
    proxy.refusal = 5
    await send(server="[2001:db8::1]:25", via=url(proxy, scheme))

    assert proxy.asked == [("2001:db8::1", 25)]


@pytest.mark.parametrize("scheme", ["socks5", "http"])
async def test_a_login_is_given(send: Send, mta: Mta, proxy: ProxyDouble, scheme: str) -> None:
    """User name and password of the URL, percent-encoded there, reach the proxy."""
    proxy.login = ("me@x", "p:w")
    result = await send(via=url(proxy, scheme, "me%40x:p%3Aw@"))

    assert result.answers == SENT
    if scheme == "http":
        assert b"Proxy-Authorization: Basic bWVAeDpwOnc=\r\n" in proxy.headers[0]


@pytest.mark.parametrize(
    ("scheme", "refusal", "hop", "said"),
    [
        ("socks5", 1, "proxy", "general socks server failure (0x01)"),
        ("socks5", 2, "proxy", "connection not allowed by ruleset (0x02)"),
        ("socks5", 4, "server", "host unreachable (0x04)"),
        ("socks5", 5, "server", "connection refused (0x05)"),
        ("socks5", 7, "proxy", "command not supported, or protocol error (0x07)"),
        ("socks4", 91, "proxy", "request rejected or failed (0x5b)"),
        ("http", 403, "proxy", "403 Not today"),
        ("http", 407, "proxy", "407 Not today"),
        ("http", 418, "proxy", "418 Not today"),
        ("http", 503, "server", "503 Not today"),
    ],
)
async def test_a_refusal_names_its_hop(
    send: Send,
    mta: Mta,
    proxy: ProxyDouble,
    log: Log,
    scheme: str,
    refusal: int,
    hop: str,
    said: str,
) -> None:
    """
    What the proxy answers tells whether it or the server is at fault; all may get better.

    Event 3011 only where the proxy says that the server refused, else 3010.
    """
    proxy.refusal = refusal
    result = await send(via=url(proxy, scheme))

    assert result.trouble.hop == hop
    assert said in str(result.trouble)
    assert str(Endpoint(*mta.address)) in str(result.trouble)
    assert result.trouble.hint
    assert not result.trouble.permanent
    refused = (scheme, refusal) == ("socks5", 5)
    assert [event for event, _ in log.seen] == [
        events.CONNECT_REFUSED if refused else events.CONNECT_FAILED
    ]


async def test_a_refused_login_is_told_without_it(send: Send, proxy: ProxyDouble) -> None:
    """A login that the proxy refuses is named, and its password is nowhere."""
    proxy.login = ("me", "right")
    result = await send(via=url(proxy, "socks5", "me:wr0ng@"))

    assert result.trouble.hop == "proxy"
    assert "the login was refused" in str(result.trouble)
    assert "me:***@" in str(result.trouble)
    assert "wr0ng" not in repr(result)


async def test_a_proxy_that_wants_a_login(send: Send, proxy: ProxyDouble) -> None:
    """A proxy that wants a login and gets none is told as that."""
    proxy.login = ("me", "right")
    result = await send(via=url(proxy, "socks5"))

    assert "the login was refused" in str(result.trouble)


@pytest.mark.parametrize(
    ("scheme", "answer", "said"),
    [
        ("socks5", b"HTTP/1.0 400 Bad Request\r\n\r\n", "what came is no SOCKS"),
        ("socks4", b"HTTP/1.0 400 Bad Request\r\n\r\n", "what came is no SOCKS"),
        ("socks5", b"", "closed without an answer"),
        ("socks4", b"\0", "closed without an answer"),
        ("http", b"220 mta.example ESMTP\r\n\r\n", 'no HTTP: "220 mta.example ESMTP"'),
        ("http", b"\x05\xff", 'no HTTP: "'),
        ("http", b"", "closed without an answer"),
        ("http", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000, "no HTTP"),
    ],
)
async def test_the_wrong_kind_of_proxy_is_told(
    send: Send, proxy: ProxyDouble, scheme: str, answer: bytes, said: str
) -> None:
    """An answer in another protocol, or none, fails at the proxy's hop."""
    proxy.answer = answer
    result = await send(via=url(proxy, scheme))

    assert result.trouble.hop == "proxy"
    assert said in str(result.trouble)
    assert "relay.via" in result.trouble.hint


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_proxy_that_is_not_there(send: Send, log: Log, scheme: str) -> None:
    """Without a proxy the error names it, and what to do; it isn't the server that refused."""
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    address = Endpoint(*server.sockets[0].getsockname())
    server.close()
    await server.wait_closed()
    result = await send(via=f"{scheme}://{address}")

    expected = f"connecting to proxy {scheme}://{address}: Connection refused"
    assert str(result.trouble) == expected
    assert result.trouble.hop == "proxy"
    assert "see that the proxy runs" in result.trouble.hint
    assert [event for event, _ in log.seen] == [events.CONNECT_FAILED]


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_silent_proxy_ends_at_the_deadline(send: Send, scheme: str, clock: Clock) -> None:
    """A proxy that accepts and says nothing is named when the time is over."""
    asked = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        address = Endpoint(*server.sockets[0].getsockname())
        sending = asyncio.create_task(send(via=f"{scheme}://{address}", timeout=60))
        await asked.wait()
        await clock.move_on(61)
        result = await sending

    assert result.trouble.hop == "proxy"
    assert f"proxy {scheme}://{address}, at request: not done after 60 s" in str(result.trouble)


async def test_an_unknown_proxy_is_told(send: Send) -> None:
    """A proxy whose name is unknown fails at its hop."""
    result = await send(via="socks5://no-such-proxy.invalid:1080")

    assert result.trouble.hop == "proxy"
    assert "looking up proxy no-such-proxy.invalid:1080" in str(result.trouble)


async def test_a_server_that_is_lost_behind_the_proxy(
    send: Send, mta: Mta, proxy: ProxyDouble
) -> None:
    """After the proxy has connected, what fails is the server's."""
    mta.say("CONNECT", "close")
    result = await send(via=url(proxy, "socks5"))

    assert result.trouble.hop == "server"
    assert "at greeting: it closed the connection" in str(result.trouble)
