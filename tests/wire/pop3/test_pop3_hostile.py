"""POP3 clients that are hostile, broken or gone: each ends its own session only."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest

from bindpost import events as catalogue
from bindpost.errors import StoreError
from bindpost.server.pop3.grammar import LINE_LIMIT

if TYPE_CHECKING:
    from ..conftest import Clock, Events, Peer
    from .conftest import Bench, Deliver, StartPop3


async def works(bench: Bench) -> bool:
    """Say whether the server still serves."""
    client = await bench.logged_in()
    return (await client.say("QUIT")).startswith(b"+OK")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" ",
        b"\0",
        b"STAT\0",
        b"STAT 1",
        b"RETR",
        b"RETR x",
        b"RETR -1",
        b"RETR 0",
        b"RETR 2",
        b"RETR 99999999999999999999",
        b"RETR \xc2\xb2",
        b"RETR \xff",
        b"TOP 1",
        b"TOP 1 -1",
        b"LIST 1 1",
        b"DELE *",
        b"NOOP x",
        b"\x16\x03\x01\x02",
        b"GET / HTTP/1.1",
    ],
)
async def test_a_bad_command_is_refused_and_the_session_goes_on(
    pop3: StartPop3, put: Deliver, line: bytes
) -> None:
    """One -ERR for one line."""
    bench = await pop3()
    await put(bench)
    client = await bench.logged_in()

    client.send(line + b"\r\n")

    assert (await client.line()).startswith(b"-ERR ")
    assert (await client.say("STAT")).startswith(b"+OK 1 ")


async def test_a_name_with_control_characters_is_refused(pop3: StartPop3) -> None:
    """Nothing of it gets into the log."""
    client = await (await pop3()).greeted()

    assert (await client.say("USER a\x1bb")).startswith(b"-ERR ")
    assert (await client.say("USER  ")).startswith(b"-ERR ")


@pytest.mark.parametrize("ending", [b"", b"\r\n"])
async def test_a_line_without_end_ends_the_session(pop3: StartPop3, ending: bytes) -> None:
    """No more than a line's worth is kept of it."""
    bench = await pop3()
    client = await bench.greeted()

    client.send(b"USER " + b"x" * 2 * LINE_LIMIT + ending)

    assert (await client.rest()).startswith(b"-ERR ")
    assert await works(bench)


async def test_nothing_but_bad_commands_ends_the_session(pop3: StartPop3) -> None:
    """After twenty of them it is no POP3 client."""
    bench = await pop3()
    client = await bench.greeted()

    client.send(b"HELO\r\n" * 100)

    assert (await client.rest()).count(b"-ERR") == 20
    assert await works(bench)


async def test_pipelined_commands_are_answered_in_order(pop3: StartPop3, put: Deliver) -> None:
    """PIPELINING is offered: all in one piece, and byte by byte."""
    bench = await pop3()
    await put(bench, b"x")
    talk = b"USER a\r\nPASS b\r\nSTAT\r\nRETR 1\r\nQUIT\r\n"
    whole, split = await bench.greeted(), await bench.greeted()

    whole.send(talk)
    for octet in talk:
        split.send(bytes([octet]))
        await split.writer.drain()

    answer = await whole.rest()
    assert answer.splitlines()[2:] == [b"+OK 1 1", b"+OK 1 octets", b"x", b".", b"+OK goodbye"]
    assert await split.rest() == answer


async def test_a_silent_client_is_sent_away(pop3: StartPop3) -> None:
    """The time for a command is limited."""
    client = await (await pop3(timeout=0.05)).greeted()

    assert (await client.rest()).startswith(b"-ERR no command in 0.05 seconds")


async def test_a_client_that_does_not_read_is_cut(
    pop3: StartPop3, put: Deliver, events: Events, clock: Clock
) -> None:
    """A message of which nobody takes the bytes doesn't stay in memory for ever."""
    bench = await pop3(timeout=60)
    await put(bench, b"x" * 70 + b"\r\n" + b"y\r\n" * 6_000_000)
    client = await bench.logged_in()

    client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # it is a socket's
    client.send(b"RETR 1\r\n")
    await clock.move_on(61)

    assert (await events.wait_for(catalogue.POP3_SESSION))["retrieved"] == 0


async def test_too_many_sessions_are_refused(pop3: StartPop3) -> None:
    """One over the limit is told so; when one has gone there is room again."""
    bench = await pop3(sessions=1)
    first = await bench.greeted()

    second = await bench.connected()

    assert (await second.rest()).startswith(b"-ERR [SYS/TEMP] ")
    await first.say("QUIT")
    await first.rest()
    assert await works(bench)


async def test_a_client_that_is_gone_in_the_middle_is_no_error(
    pop3: StartPop3, put: Deliver, events: Events
) -> None:
    """It resets while it is sent a message."""
    bench = await pop3()
    await put(bench, b"y\r\n" * 6_000_000)
    client = await bench.logged_in()

    client.send(b"RETR 1\r\n")
    await client.line()
    client.writer.transport.abort()

    await events.wait_for(catalogue.POP3_SESSION)
    assert events.of(catalogue.POP3_ERROR) == []
    assert await works(bench)


async def test_a_client_that_has_half_closed_gets_its_answers(pop3: StartPop3) -> None:
    """`printf ... | nc` works."""
    client = await (await pop3()).greeted()

    client.send(b"CAPA\r\nQUIT\r\n")
    client.writer.write_eof()

    assert (await client.rest()).endswith(b".\r\n+OK goodbye\r\n")


async def test_a_failing_store_is_told(
    pop3: StartPop3, put: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that fails answers -ERR with a code that says it may pass (RFC 3206)."""
    bench = await pop3()
    await put(bench)
    client = await bench.logged_in()
    await bench.store.close()

    assert (await client.say("RETR 1")).startswith(b"-ERR [SYS/TEMP] ")
    await client.say("DELE 1")
    assert (await client.say("QUIT")).startswith(b"-ERR some deleted messages not removed: ")
    with pytest.raises(StoreError):
        await bench.store.count()


async def test_commands_before_tls_do_not_count_in_it(
    pop3: StartPop3, trusting: ssl.SSLContext
) -> None:
    """What somebody in between put behind STLS is thrown away (RFC 2595; CVE-2011-0411's kind)."""
    bench = await pop3(certificate=True)
    client = await bench.greeted()

    client.send(b"STLS\r\nUSER forged\r\nCAPA\r\n")
    assert (await client.line()).startswith(b"+OK")
    await client.writer.start_tls(trusting, server_hostname="localhost")

    assert await client.say("PASS x") == b"-ERR say USER first"
    assert b"STLS" not in await client.ask("CAPA")
    assert await client.say("STLS") == b"-ERR TLS is on"


async def test_a_name_given_in_clear_does_not_count_in_tls(
    pop3: StartPop3, trusting: ssl.SSLContext
) -> None:
    """The session begins again inside TLS."""
    client = await (await pop3(certificate=True)).greeted()
    await client.say("USER bob")
    await client.say("STLS")
    await client.writer.start_tls(trusting, server_hostname="localhost")

    assert await client.say("PASS x") == b"-ERR say USER first"
    assert (await client.login()).startswith(b"+OK")


WAYS = pytest.mark.parametrize("tls", ["auto", "implicit"])


async def _at_handshake(bench: Bench, tls: str) -> Peer:
    """Come so far that the server waits for a ClientHello."""
    if tls == "implicit":
        return await bench.connected()
    client = await bench.greeted()
    await client.say("STLS")
    return client


@WAYS
@pytest.mark.parametrize("garbage", [b"USER bob\r\n" * 10, b"\x16\x03\x01\x00\x02\x01\x00", b""])
async def test_a_failed_handshake_ends_the_session_only(
    pop3: StartPop3, trusting: ssl.SSLContext, events: Events, tls: str, garbage: bytes
) -> None:
    """What is no TLS, or an end in the middle of it, disturbs nobody else, and is told."""
    bench = await pop3(certificate=True, tls=tls)
    client = await _at_handshake(bench, tls)

    client.send(garbage)
    client.writer.write_eof()

    await client.rest()
    failure = await events.wait_for(catalogue.TLS_FAILED)
    assert failure["peer"] == "127.0.0.1"
    assert failure["hint"]
    next_one = await _at_handshake(bench, tls)
    await next_one.writer.start_tls(trusting, server_hostname="localhost")


@WAYS
async def test_a_silent_handshake_ends_in_time(pop3: StartPop3, events: Events, tls: str) -> None:
    """It has limits.handshake_timeout, not the ten minutes of a command."""
    bench = await pop3(certificate=True, tls=tls, handshake_timeout=0.05)
    client = await _at_handshake(bench, tls)

    assert await client.rest() == b""

    failure = await events.wait_for(catalogue.TLS_FAILED)
    assert failure["reason"] == "the client did not finish the handshake in time"


@WAYS
async def test_a_handshake_counts_as_a_session(pop3: StartPop3, tls: str) -> None:
    """Above the limit nobody is given one."""
    bench = await pop3(certificate=True, tls=tls, sessions=1)
    await _at_handshake(bench, tls)

    refused = await (await bench.connected()).rest()

    assert refused[:5] == (b"" if tls == "implicit" else b"-ERR ")


async def test_stls_is_refused_without_a_certificate_and_after_the_login(
    pop3: StartPop3,
) -> None:
    """Each for its reason."""
    plain = await (await pop3()).greeted()
    late = await (await pop3(certificate=True)).logged_in()
    off = await (await pop3(certificate=True, tls="off")).greeted()

    assert await plain.say("STLS") == b"-ERR TLS is not to be had here"
    assert await late.say("STLS") == b"-ERR STLS is for before the login"
    assert b"STLS" not in await late.ask("CAPA")
    assert b"STLS" not in await off.ask("CAPA")


async def test_implicit_tls(pop3: StartPop3, trusting: ssl.SSLContext, put: Deliver) -> None:
    """TLS from the first byte; STLS isn't offered then."""
    bench = await pop3(tls="implicit")
    await put(bench)
    client = await bench.connected(trusting)

    assert (await client.line()).startswith(b"+OK")
    assert b"STLS" not in await client.ask("CAPA")
    assert (await client.login()).startswith(b"+OK")
    assert (await client.say("STAT")).startswith(b"+OK 1 ")


async def test_stop_ends_idle_sessions(pop3: StartPop3) -> None:
    """A server that goes down doesn't wait for somebody who says nothing."""
    bench = await pop3()
    client = await bench.logged_in()

    async with asyncio.timeout(5):
        await bench.server.stop(grace=60)

    assert await client.rest() == b""
