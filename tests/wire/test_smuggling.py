"""
Nothing but CRLF.CRLF ends a message (RFC 5321, 4.1.1.4), so no second message can be smuggled in.

The table holds all pairs of line ends that some server takes for one around a lone dot
(CVE-2023-51764 and its relatives).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bindpost.config.model import Limits

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
