"""
Nothing but CRLF.CRLF ends a message (RFC 5321, 4.1.1.4), so no second message can be smuggled in.

The table holds all pairs of line ends that some server takes for one around a lone dot
(CVE-2023-51764 and its relatives).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from bindpost.config.model import Limits
from bindpost.server.smtp.personality import names

if TYPE_CHECKING:
    from tests.wire.conftest import Serve

LINE_LIMIT = Limits().command_line
LINE_ENDS = {
    "CRLF": b"\r\n",
    "LF": b"\n",
    "CR": b"\r",
    "LFLF": b"\n\n",
    "CRCR": b"\r\r",
    "LFCR": b"\n\r",
    "CRCRLF": b"\r\r\n",
    "CRLFLF": b"\r\n\n",
    "CRLFCR": b"\r\n\r",
    "NULCRLF": b"\0\r\n",
    "CRNULLF": b"\r\0\n",
    "CRLFNUL": b"\r\n\0",
    "NUL": b"\0",
    "LFNUL": b"\n\0",
    "blank-CRLF": b" \r\n",
    "VT": b"\x0b",
    "FF": b"\x0c",
    "NEL": b"\x85",
    "LS": "\u2028".encode(),
    "high-CRLF": b"\x8d\x8a",
}
SMUGGLED = b"MAIL FROM:<evil@x>\r\nRCPT TO:<victim@y>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"


def _is_real_end(before: bytes, after: bytes) -> bool:
    return b"\r\n.\r\n" in before + b"." + after


def _unstuffed(data: bytes) -> bytes:
    """Read a message as RFC 5321, 4.5.2 has it, in the simplest way."""
    lines = data.split(b"\r\n")
    end = lines.index(b".")
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:end])


@pytest.mark.parametrize("personality", ["ims-5.5", "plain"])
@pytest.mark.parametrize("before", LINE_ENDS)
async def test_a_false_end_is_content(serve: Serve, before: str, personality: str) -> None:
    """What looks like an end to somebody else is part of the one message, byte for byte."""
    for after, end in LINE_ENDS.items():
        if _is_real_end(LINE_ENDS[before], end):
            continue
        bench = await serve(personality=personality)
        data = b"Subject: x\r\n\r\nbody" + LINE_ENDS[before] + b"." + end + SMUGGLED + b"\r\n.\r\n"
        wire = bench.wire()

        await wire.feed(
            b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" + data + b"QUIT\r\n"
        )
        await wire.wait_for_close()

        codes = [reply[:3] for reply in wire.replies]
        assert codes == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"], after
        assert await bench.kept() == [_unstuffed(data)], after
        assert [row.envelope.reverse_path for row in await bench.rows()] == ["a@b"]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\r", b"\n\n", b"x"], ids=repr)
@pytest.mark.parametrize("length", [1, LINE_LIMIT - 2, LINE_LIMIT, LINE_LIMIT + 1, 3 * LINE_LIMIT])
async def test_a_false_end_is_content_wherever_a_segment_ends(
    serve: Serve, length: int, end: bytes
) -> None:
    """A long line is read in pieces; none of them begins a line, so none can be the end."""
    data = b"x" * length + end + b".\r\n" + SMUGGLED + b"\r\n.\r\n"
    for cut in range(length - 3, length + len(end) + 6):
        bench = await serve()
        wire = bench.wire()
        await wire.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")

        await wire.feed(data[: max(cut, 0)])
        await wire.feed(data[max(cut, 0) :] + b"QUIT\r\n")
        await wire.wait_for_close()

        assert await bench.kept() == [_unstuffed(data)], cut


ENDINGS = {
    "LF.LF": b"\n.\n",
    "CR.CR": b"\r.\r",
    "LF.CR": b"\n.\r",
    "CR.LF": b"\r.\n",
    "CRLF.LF": b"\r\n.\n",
    "CRLF.CR": b"\r\n.\r",
    "LF.CRLF": b"\n.\r\n",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "CRLF.LFCRLF": b"\r\n.\n\r\n",
    "CRLF.NUL-CRLF": b"\r\n.\0\r\n",
    "CRLF.blank-CRLF": b"\r\n. \r\n",
    "CRLF..CRLF": b"\r\n..\r\n",
    "CRLF...CRLF": b"\r\n...\r\n",
    "CRLF.CRLF": b"\r\n.\r\n",
    "CRCRLF.CRLF": b"\r\r\n.\r\n",
    "LFCRLF.CRLF": b"\n\r\n.\r\n",
}
"""The last three have CRLF.CRLF in them: they are the end, whatever stands before it."""
REAL = ("CRLF.CRLF", "CRCRLF.CRLF", "LFCRLF.CRLF")
TRANSACTION = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"


@pytest.mark.parametrize("engine", ["fast", "stock"])
@pytest.mark.parametrize("personality", names())
@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_ending_is_the_same_wherever_it_is_split(
    serve: Serve, ending: str, personality: str, engine: str
) -> None:
    """At each byte, and at all of them; only behind a real end come commands."""
    bench = await serve(personality=personality, engine=engine)
    data = b"one" + ENDINGS[ending] + SMUGGLED + b"\r\n.\r\n"
    if ending in REAL:
        first, _, second = data.partition(b"\r\n.\r\n")
        expected = [first + b"\r\n", _unstuffed(second.partition(b"DATA\r\n")[2])]
    else:
        expected = [_unstuffed(data)]
    dialogue = TRANSACTION + data + b"QUIT\r\n"
    start = len(TRANSACTION)
    splits = [[at] for at in range(start, start + len(ENDINGS[ending]) + 5)]

    for cuts in (*splits, list(range(1, len(dialogue)))):
        before = len(await bench.kept())
        wire = bench.wire()
        await wire.feed(b"HELO c\r\n")
        for begin, end in itertools.pairwise([0, *cuts, len(dialogue)]):
            await wire.feed(dialogue[begin:end])
        await wire.wait_for_close()

        codes = [reply[:3] for reply in wire.replies[2:]]
        taken = [b"250", b"250", b"354", b"250"]
        assert codes == [*taken * len(expected), b"221"], cuts
        assert (await bench.kept())[before:] == expected, cuts


@pytest.mark.parametrize("personality", ["ims-5.5", "plain"])
async def test_only_the_real_end_is_one(serve: Serve, personality: str) -> None:
    """After CRLF.CRLF a new transaction begins, as it must; the table leaves out only that."""
    bench = await serve(personality=personality)
    wire = bench.wire()

    await wire.feed(
        b"EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nbody\r\n.\r\n"
        + SMUGGLED
        + b"\r\n.\r\nQUIT\r\n"
    )
    await wire.wait_for_close()

    assert [row.envelope.reverse_path for row in await bench.rows()] == ["a@b", "evil@x"]


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r\r\n"], ids=["CRLF", "LF", "CRCRLF"])
async def test_a_command_may_not_hide_in_another(serve: Serve, end: bytes) -> None:
    """A bare CR in a command does not begin a new one; the line it stands in is refused."""
    bench = await serve()
    wire = bench.wire()

    await wire.feed(
        b"EHLO c\r\nMAIL FROM:<a@b>\rRCPT TO:<c@d>" + end + b"RCPT TO:<c@d>\r\nQUIT\r\n"
    )
    await wire.wait_for_close()

    assert [reply[:3] for reply in wire.replies] == [b"220", b"250", b"501", b"503", b"221"]
