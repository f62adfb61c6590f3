"""A message that is gathered in chunks is the one that is read line by line."""

from __future__ import annotations

import asyncio
import itertools

from hypothesis import given
from hypothesis import strategies as st

from bindpost.server.smtp.body import Body
from bindpost.server.smtp.reader import read_body

LIMIT = 2000
PIECES = [b".", b"..", b"\r\n", b"\r", b"\n", b"x", b"x" * 700, b"\r\n.", b".\r", b"\r\n.\r\n"]
texts = st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join) | st.binary(max_size=100)


def _line_by_line(data: bytes) -> tuple[bytes | None, bytes]:
    """Give what the plain engine reads, and what it leaves."""

    async def gauge(held: int) -> None:
        assert 0 <= held <= LIMIT

    async def read() -> tuple[bytes | None, bytes]:
        reader = asyncio.StreamReader(limit=64)
        reader.feed_data(data)
        reader.feed_eof()
        body = await read_body(reader, limit=LIMIT, progress=lambda: None, gauge=gauge)
        return body, await reader.read()

    return asyncio.run(read())


@given(texts, st.lists(st.integers(0, 10_000), max_size=6))
def test_any_message_in_any_chunks(text: bytes, cuts: list[int]) -> None:
    """The same bytes are kept, the same are left for the next command, or it is too large alike."""
    data = text + b"\r\n.\r\nQUIT\r\n"
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    body, rest = Body(LIMIT), b""
    for start, end in itertools.pairwise(edges):
        chunk = data[start:end]
        rest += chunk if body.is_whole else body.feed(chunk)

    assert body.is_whole
    assert (body.message, rest) == _line_by_line(data)


def test_what_is_too_large_is_let_go() -> None:
    """Of a message over the limit nothing is held, though it is read to its end."""
    body = Body(LIMIT)
    held = []
    for _ in range(100):
        body.feed(b"x" * 998 + b"\r\n")
        held.append(body.held)

    assert max(held) <= LIMIT + 2
    assert held[-1] == 0
    assert body.feed(b".\r\nRSET\r\n") == b"RSET\r\n"
    assert (body.is_whole, body.message) == (True, None)


def test_progress_is_told_each_64_kib() -> None:
    """A client that drips bytes makes none."""
    body = Body(1 << 20)
    told = []
    for _ in range(130):
        body.feed(b"x" * 1022 + b"\r\n")
        told.append(body.made_progress())

    assert told.count(True) == 2
