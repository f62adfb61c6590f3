"""Command lines that no honest client sends: endless, binary, in the wrong order."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from bindpost import events
from bindpost.config.model import Limits

if TYPE_CHECKING:
    from tests.wire.conftest import Serve

MIB = 1 << 20
LINE_LIMIT = Limits().command_line
PERSONALITIES = ["ims-5.5", "plain"]


async def _floods(serve: Serve, before: list[str], code: bytes, start: bytes = b"") -> None:
    """Send 10 MiB without a line feed; one reply comes, after the end, in bounded memory."""
    bench = await serve(personality="plain")
    peer = await bench.ehlo()
    for command in before:
        await peer.say(command)

    tracemalloc.start()
    try:
        peer.send(start)
        await peer.flood(b"x" * 65536, 160)
        peer.send(b"\r\n")
        reply = await peer.reply()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert reply.startswith(code)
    assert peak < 3 * MIB
    assert await peer.say("NOOP") == b"250 2.0.0 OK\r\n"


async def test_an_endless_command_is_refused_once(serve: Serve) -> None:
    """A command of 10 MiB gets one 500 when it ends."""
    await _floods(serve, [], b"500 ")


async def test_an_endless_argument_is_refused_once(serve: Serve) -> None:
    """So does a good command with an argument of 10 MiB."""
    await _floods(serve, [], b"500 ", start=b"MAIL FROM:<")


@pytest.mark.parametrize("before", [["AUTH PLAIN"], ["AUTH LOGIN"], ["AUTH LOGIN", "dXNlcg=="]])
async def test_an_endless_response_is_refused_once(serve: Serve, before: list[str]) -> None:
    """A response of 10 MiB to AUTH gets one 501 when it ends."""
    await _floods(serve, before, b"501 ")


async def test_an_endless_initial_response_is_refused_once(serve: Serve) -> None:
    """So does one that comes with the command."""
    await _floods(serve, [], b"500 ", start=b"AUTH PLAIN ")


@pytest.mark.parametrize("personality", PERSONALITIES)
@pytest.mark.parametrize(("extra", "code"), [(0, b"250"), (1, b"500"), (2, b"500"), (9000, b"500")])
async def test_the_line_limit_is_exact(
    serve: Serve, personality: str, extra: int, code: bytes
) -> None:
    """A line of the limit's length is taken, a longer one is not, and the next one is."""
    bench = await serve(personality=personality)
    peer = await bench.ehlo(pair=True)

    assert (await peer.say("NOOP ".ljust(LINE_LIMIT - 2 + extra, "x")))[:3] == code
    assert (await peer.say("NOOP"))[:3] == b"250"


VERBS = (
    "HELO", "EHLO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "HELP", "VRFY", "EXPN", "SOML", "SAML",
    "TURN", "ETRN", "AUTH", "XAUTH", "STARTTLS", "TLS", "XEXCH50", "BDAT", "",
)  # fmt: skip
ARGUMENTS = (
    b"\0", b"a\0b", b"FROM:<a\0@b>", b"TO:<a\0@b>", b"FROM:<a@b>\r", b"\x01", b"\x1b[2J", b"\x7f",
    b"\rNOOP", b"LOGIN \0", b"PLAIN \xff", b"LOGIN \xff", b"\xff LOGIN", b"1 \0", b"\0 1",
    b"FROM:<\xff@b>", b"TO:<\xc3@b>", b"\xed\xa0\x80", b"FROM:<a@b> SIZE=\0", b"FROM:<a@b> \xff=1",
    b"\xc3\xa4", b"\x80" * 1000, b"\xf0\x9f\x92\xa9",
)  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "personality"),
    [pair for pair in itertools.product(VERBS, PERSONALITIES) if pair != ("BDAT", "plain")],
)
async def test_binary_arguments_do_no_harm(serve: Serve, personality: str, verb: str) -> None:
    """Control characters and 8-bit bytes get one reply, and leave the session as it was."""
    for argument in ARGUMENTS:
        bench = await serve(personality=personality)
        wire = bench.wire()
        await wire.wait_for_replies(1)

        await wire.feed(verb.encode() + b" " + argument + b"\r\n")
        await wire.wait_for_replies(2)
        if wire.replies[-1].startswith(b"334"):
            await wire.feed(b"*\r\n")
            await wire.wait_for_replies(3)
        expected = len(wire.replies) + 1
        await wire.feed(b"RSET\r\n")
        await wire.wait_for_replies(expected)

        assert wire.replies[-1].startswith(b"250"), argument
        assert len(wire.replies) == expected, argument
        assert b"\0" not in wire.output
        assert b"\x1b" not in wire.output
        wire.close()


async def test_a_binary_size_of_a_chunk_ends_the_session(serve: Serve) -> None:
    """Nobody knows how many octets follow, which must not be heard as commands (RFC 3030)."""
    for argument in ARGUMENTS:
        bench = await serve(personality="plain")
        wire = bench.wire()

        await wire.feed(b"BDAT " + argument + b"\r\nNOOP\r\n")
        await wire.wait_for_close()

        assert [reply[:3] for reply in wire.replies] == [b"220", b"521"], argument


@pytest.mark.parametrize("personality", PERSONALITIES)
@pytest.mark.parametrize(
    "line", [b"\0NOOP", b"NOOP\0", b"NO\0OP", b"\xffNOOP", b"NOOP\xc2\xa0", b"\tNOOP"]
)
async def test_binary_verbs_are_unknown(serve: Serve, personality: str, line: bytes) -> None:
    """A verb with a foreign byte in it is no verb."""
    bench = await serve(personality=personality)
    peer = await bench.ehlo(pair=True)

    assert (await peer.say(line))[:3] == b"500"
    assert (await peer.say("NOOP"))[:3] == b"250"


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r\r\n"])
async def test_commands_end_at_the_line_feed(serve: Serve, end: bytes) -> None:
    """A command may end with LF alone, as nearly every server has it."""
    bench = await serve()
    peer = await bench.ehlo(pair=True)

    peer.send(b"NOOP" + end + b"RSET" + end)

    assert [await peer.reply(), await peer.reply()] == [b"250 OK\r\n"] * 2


@pytest.mark.parametrize("personality", PERSONALITIES)
@pytest.mark.parametrize(
    ("before", "command", "code"),
    [
        ([], "RCPT TO:<c@d>", b"503"),
        ([], "DATA", b"503"),
        (["MAIL FROM:<a@b>"], "MAIL FROM:<a@b>", b"503"),
        (["MAIL FROM:<a@b>"], "DATA", b"503"),
        (["MAIL FROM:<a@b>", "RCPT TO:<bad"], "DATA", b"503"),
        (["MAIL FROM:<a@b>", "RCPT TO:<c@d>"], "DATA now", b"501"),
        (["MAIL FROM:<a@b>", "RCPT TO:<c@d>"], "MAIL FROM:<a@b>", b"503"),
        (["MAIL FROM:<a@b>", "RCPT TO:<c@d>", "RSET"], "DATA", b"503"),
        (["MAIL FROM:<a@b>", "RCPT TO:<c@d>", "EHLO again"], "DATA", b"503"),
        (["MAIL FROM:<a@b>", "RCPT TO:<c@d>", "HELO again"], "RCPT TO:<c@d>", b"503"),
        (["MAIL FROM:<a@b>", "RCPT TO:<c@d>", "NOOP"], "DATA", b"354"),
        (["MAIL FROM:<a@b>", "RCPT TO:<c@d>", "nonsense"], "DATA", b"354"),
    ],
)
async def test_the_order_of_commands_is_watched(
    serve: Serve, personality: str, before: list[str], command: str, code: bytes
) -> None:
    """A command at the wrong time gets 503, and those that reset the transaction do."""
    bench = await serve(personality=personality)
    peer = await bench.ehlo(pair=True)
    for earlier in before:
        await peer.say(earlier)

    assert (await peer.say(command))[:3] == code


@pytest.mark.parametrize(
    "verb", ["BDAT 5 LAST", "GET / HTTP/1.1", "\x16\x03\x01", "SEND FROM:<a@b>"]
)
async def test_nonsense_is_cut_off_after_five(serve: Serve, verb: str) -> None:
    """The fifth unknown command is the last (aiosmtpd's limit); what follows it is not heard."""
    bench = await serve()
    wire = bench.wire()

    await wire.feed(f"{verb}\r\n".encode() * 5 + b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")
    await wire.wait_for_close()
    await bench.sessions.wait_for(0)

    assert [reply[:3] for reply in wire.replies] == [b"220", *[b"500"] * 4, b"421"]


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_what_follows_quit_is_not_heard(serve: Serve, personality: str) -> None:
    """A message pipelined behind QUIT is not kept."""
    bench = await serve(personality=personality)
    wire = bench.wire()

    await wire.feed(
        b"EHLO c\r\nQUIT\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
    )
    await wire.wait_for_close()
    await bench.sessions.wait_for(0)

    assert [reply[:3] for reply in wire.replies] == [b"220", b"250", b"221"]
    assert await bench.kept() == []


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_what_follows_quit_is_not_heard_from_a_client_that_does_not_read(
    serve: Serve, personality: str
) -> None:
    """Nor is it when the replies before it are still waiting to go out."""
    bench = await serve(personality=personality)
    peer = await bench.ehlo(pair=True)
    peer.stop_reading()
    await peer.flood(b"HELP\r\n" * 100, 10)

    peer.send(b"QUIT\r\n" + b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\n" * 100)
    peer.go_on_reading()
    replies = await peer.rest()

    assert replies.splitlines()[-1].startswith(b"221")
    assert await bench.kept() == []


async def test_quit_with_an_argument_that_is_refused_does_not_end_the_session(serve: Serve) -> None:
    """What got 501 was not done."""
    bench = await serve()
    peer = await bench.ehlo(pair=True)

    assert (await peer.say(b"QUIT \0"))[:3] == b"501"
    assert (await peer.say("NOOP"))[:3] == b"250"


async def test_10_000_recipients_are_accepted(serve: Serve) -> None:
    """A message may have very many recipients, and all of them are kept in their order."""
    bench = await serve()
    peer = await bench.mail()
    recipients = [f"user{number}@example.test" for number in range(10_000)]

    peer.send(b"".join(f"RCPT TO:<{recipient}>\r\n".encode() for recipient in recipients))
    replies = [await peer.reply() for _ in recipients]
    await peer.say("DATA")
    reply = await peer.say("x\r\n.")

    assert {reply[:3] for reply in replies} == {b"250"}
    assert reply.startswith(b"250")
    (row,) = await bench.rows()
    assert [recipient.address for recipient in row.envelope.recipients] == recipients


@pytest.mark.parametrize("personality", PERSONALITIES)
async def test_the_recipient_above_the_limit_gets_452(serve: Serve, personality: str) -> None:
    """Those before it stay, and the message can be sent (RFC 5321, 4.5.3.1.10)."""
    bench = await serve(personality=personality, limits=Limits(recipients=2))
    peer = await bench.mail(pair=True)

    codes = [(await peer.say(f"RCPT TO:<{name}@d>"))[:3] for name in "abcd"]
    assert codes == [b"250", b"250", b"452", b"452"]
    assert (await peer.say("DATA")).startswith(b"354")
    assert (await peer.say("x\r\n.")).startswith(b"250")

    (row,) = await bench.rows()
    assert [recipient.address for recipient in row.envelope.recipients] == ["a@d", "b@d"]
    assert bench.events.of(events.RECIPIENTS_EXCEEDED)[0]["limit"] == 2
