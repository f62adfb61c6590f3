"""TCP has no message boundaries: however a session arrives, it is answered and kept alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.wire.conftest import Bench, Serve

IMS_SESSION = (
    b"EHLO client\r\n"
    b"NOOP\r\n"
    b"AUTH LOGIN\r\nU2ltb24=\r\nc2VjcmV0\r\n"
    b"XEXCH50 6 2\r\n\x00\r\n.\r\n"
    b"MAIL FROM:<a@b>\r\n"
    b"RCPT TO:<c@d>\r\n"
    b"DATA\r\n"
    b"Subject: x\r\n\r\n..dot\r\n.\n\r.\r\r\nend\r\n.\r\n"
    b"MAIL FROM:<>\r\nRCPT TO:<e@f>\r\nRSET\r\n"
    b"nonsense\r\n\r\n"
    b"QUIT\r\n"
)
PLAIN_SESSION = (
    b"EHLO client\r\n"
    b"AUTH PLAIN AHUAcA==\r\n"
    b"MAIL FROM:<\xc3\xa4@b> SMTPUTF8 BODY=8BITMIME\r\n"
    b"RCPT TO:<c@d>\r\n"
    b"RCPT TO:<bad\r\n"
    b"DATA\r\n"
    b"..\r\n.x\r\n\xff\x00\r\n.\r\n"
    b"MAIL FROM:<>\r\nRCPT TO:<e@f>\r\nDATA\r\n.\r\n"
    b"QUIT\r\n"
)
SESSIONS = [
    pytest.param("ims-5.5", IMS_SESSION, id="ims-5.5"),
    pytest.param("plain", PLAIN_SESSION, id="plain"),
]


async def _play(bench: Bench, pieces: list[bytes]) -> bytes:
    wire = bench.wire()
    for piece in pieces:
        await wire.feed(piece)
    await wire.wait_for_close()
    return wire.output


async def _by_turns(bench: Bench, session: bytes) -> bytes:
    """Play a session as the RFC has it: the next line only when the reply is there."""
    wire = bench.wire()
    await wire.wait_for_replies(1)
    lines = session.splitlines(keepends=True)
    while lines:
        before = len(wire.replies)
        line = lines.pop(0)
        await wire.feed(line)
        if len(wire.replies) == before and lines and wire.replies[-1].startswith(b"354"):
            continue
        await wire.wait_for_replies(before + 1)
    await wire.wait_for_close()
    return wire.output


async def _envelopes(bench: Bench) -> list[tuple[object, bytes]]:
    return list(zip([row.envelope for row in await bench.rows()], await bench.kept(), strict=True))


@pytest.mark.parametrize(("personality", "session"), SESSIONS)
async def test_a_session_split_anywhere_is_the_same_session(
    serve: Serve, without_ids: Callable[[bytes], bytes], personality: str, session: bytes
) -> None:
    """Cut in two at any offset, a session gets the same replies and the same mail is kept."""
    whole = await serve(personality=personality)
    replies = without_ids(await _play(whole, [session]))
    kept = await _envelopes(whole)

    for offset in range(1, len(session)):
        bench = await serve(personality=personality)
        assert without_ids(await _play(bench, [session[:offset], session[offset:]])) == replies
        assert await _envelopes(bench) == kept


@pytest.mark.parametrize(("personality", "session"), SESSIONS)
async def test_a_session_byte_by_byte_is_the_same_session(
    serve: Serve, without_ids: Callable[[bytes], bytes], personality: str, session: bytes
) -> None:
    """A slow link makes no difference."""
    whole, slow = await serve(personality=personality), await serve(personality=personality)
    replies = await _play(whole, [session])

    slow_replies = await _play(slow, [session[i : i + 1] for i in range(len(session))])

    assert without_ids(slow_replies) == without_ids(replies)
    assert await _envelopes(slow) == await _envelopes(whole)


@pytest.mark.parametrize(("personality", "session"), SESSIONS)
async def test_a_pipelined_session_is_the_same_as_one_by_turns(
    serve: Serve, without_ids: Callable[[bytes], bytes], personality: str, session: bytes
) -> None:
    """A client that does not wait is answered like one that does (RFC 2920)."""
    pipelined, turns = await serve(personality=personality), await serve(personality=personality)

    replies = await _play(pipelined, [session])

    assert without_ids(replies) == without_ids(await _by_turns(turns, session))
    assert await _envelopes(pipelined) == await _envelopes(turns)
    assert len(await pipelined.kept()) == (1 if personality == "ims-5.5" else 2)


@pytest.mark.parametrize("pair", [True, False], ids=["socketpair", "tcp"])
@pytest.mark.parametrize(("personality", "session"), SESSIONS)
async def test_a_socket_is_no_different(
    serve: Serve,
    without_ids: Callable[[bytes], bytes],
    personality: str,
    session: bytes,
    pair: bool,
) -> None:
    """Over real sockets a pipelined session gets the replies that it gets without a network."""
    bench, wired = await serve(personality=personality), await serve(personality=personality)
    peer = await bench.connected(pair=pair)
    client = b"127.0.0.1" if not pair else b"localhost"

    peer.send(session)
    replies = without_ids(await peer.rest())

    expected = without_ids(await _play(wired, [session]))
    assert replies == expected.replace(b"[127.0.0.1]", b"[" + client + b"]")
    assert await _envelopes(bench) == await _envelopes(wired)


@pytest.mark.parametrize("personality", ["ims-5.5", "ims-5.0", "imc-4.0", "plain"])
async def test_each_reply_is_one_write(serve: Serve, personality: str) -> None:
    """A reply goes out in one piece, however many lines it has (the capture shows EHLO's so)."""
    bench = await serve(personality=personality)
    wire = bench.wire()
    commands = [
        b"EHLO c", b"HELO c", b"AUTH LOGIN", b"*", b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>",
        b"RCPT TO:<", b"DATA", b"x\r\n.", b"VRFY x", b"EXPN x", b"HELP", b"NOOP", b"TURN",
        b"ETRN x", b"STARTTLS", b"RSET", b"nonsense", b"", b"x" * 3000, b"QUIT",
    ]  # fmt: skip
    if personality == "imc-4.0":
        commands.remove(b"*")  # it knows no AUTH
    await wire.wait_for_replies(1)

    for number, command in enumerate(commands, start=2):
        await wire.feed(command + b"\r\n")
        await wire.wait_for_replies(number)

    await wire.wait_for_close()
    assert len(wire.writes) == 1 + len(commands)
    for reply in wire.writes:
        *more, last = reply.removesuffix(b"\r\n").split(b"\r\n")
        assert all(line[3:4] == b"-" for line in more)
        assert last[3:4] == b" "
        assert len({line[:3] for line in (*more, last)}) == 1
    assert [b"\r\n250-" in reply for reply in wire.writes].count(True) == (personality != "imc-4.0")
