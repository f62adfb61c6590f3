"""Any session is the same in any pieces, and any body comes back as it was sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ..fuzz.grammar import cut
from .smtp_session import LMTP, MESSAGE_LIMIT, names, places, run, sessions


@given(names, sessions, places)
def test_any_bytes_are_the_same_session_in_any_pieces(
    name: str, session: bytes, places: list[int]
) -> None:
    """How the bytes were cut makes no difference to the replies, nor to what is kept."""
    whole = run(name, [session])
    pieces = run(name, cut(session, places))

    assert pieces.replies == whole.replies
    assert pieces.kept == whole.kept


bodies = st.binary(max_size=300) | st.lists(
    st.sampled_from(
        [b".", b"..", b"\r\n", b"\r", b"\n", b"\0", b"x", b"x" * 700, b"\r\n.", b".\r\n"]
    ),
    max_size=12,
).map(b"".join)


@given(names, bodies, places)
def test_any_body_comes_back_equal(name: str, body: bytes, places: list[int]) -> None:
    """A body of any bytes, dot-stuffed as RFC 5321, 4.5.2 has it, is kept as it was."""
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    *whole_lines, _ = body.split(b"\r\n")
    stuffed = b"".join((b"." if line[:1] == b"." else b"") + line + b"\r\n" for line in whole_lines)
    hello = b"LHLO" if name == LMTP else b"HELO"
    before = hello + b" c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"

    outcome = run(name, cut(before + stuffed + b".\r\nQUIT\r\n", places))

    if len(body) <= MESSAGE_LIMIT:
        assert outcome.kept == [body]
    else:
        assert outcome.kept == []
        assert b"\r\n552 " in outcome.output
    assert outcome.output.splitlines()[-1].startswith(b"221")


@given(st.lists(bodies | sessions, min_size=1, max_size=4), places)
def test_any_chunks_come_back_equal(parts: list[bytes], places: list[int]) -> None:
    """A message in chunks of any bytes, commands too, is kept as it was (RFC 3030)."""
    *first, last = [b"BDAT %d\r\n%b" % (len(part), part) for part in parts]
    before = b"HELO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
    session = before + b"".join(first) + last.replace(b"\r\n", b" LAST\r\n", 1) + b"QUIT\r\n"

    outcome = run("plain", cut(session, places))

    size = sum(map(len, parts))
    assert outcome.kept == ([b"".join(parts)] if size <= MESSAGE_LIMIT else [])
    assert (b"\r\n552 " in outcome.output) is (size > MESSAGE_LIMIT)
    assert outcome.output.splitlines()[-1].startswith(b"221")
