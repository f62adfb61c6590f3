"""Both engines are one server: same bytes, same replies, mail, transcripts and events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..fuzz.grammar import cut
from .smtp_session import Outcome, names, places, run, sessions

OF_ITS_OWN = ("session", "file", "peer")
"""Fields of events that no two sessions have in common."""
transactions = st.builds(
    lambda before, body: (
        before + b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" + body + b"\r\n.\r\n"
    ),
    sessions,
    st.lists(
        st.sampled_from([b".", b"..", b"\r\n", b"\r", b"\n", b"x", b"x" * 700, b"\r\n.", b".\r"]),
        max_size=12,
    ).map(b"".join),
)
chunks = st.builds(
    lambda data, extra, end: b"BDAT %d%b\r\n%b" % (len(data) + extra, end, data),
    sessions | st.binary(max_size=3000).map(lambda data: data * 3),
    st.sampled_from([0] * 8 + [-1, 1, 700]),
    st.sampled_from([b"", b"", b" LAST"]),
)
"""Chunks whose size is right, or wrong: of a message that is taken, of none, of one too large."""
chunked = st.builds(
    lambda start, pieces: start + b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n" + b"".join(pieces),
    st.sampled_from([b"", b"EHLO c\r\n"]),
    st.lists(chunks | st.sampled_from([b"RSET\r\n", b"DATA\r\nx\r\n.\r\n"]), max_size=5),
)
dialogues = st.lists(sessions | transactions | chunked, max_size=3).map(b"".join)


def _told(outcome: Outcome) -> list[tuple[object, dict[str, Any]]]:
    """Give the events without what no two sessions have in common."""
    return [
        (entry["event"], {name: entry[name] for name in entry if name not in OF_ITS_OWN})
        for entry in outcome.logged
    ]


def _are_alike(name: str, dialogue: bytes, pieces: list[bytes]) -> None:
    """Compare the plain engine, given all at once, with the fast one, given pieces."""
    stock, fast = run(name, [dialogue], "stock"), run(name, pieces, "fast")

    assert fast.replies == stock.replies
    assert fast.kept == stock.kept
    assert fast.envelopes == stock.envelopes
    assert fast.facts == stock.facts
    assert fast.transcripts == stock.transcripts
    assert fast.counts == stock.counts
    assert _told(fast) == _told(stock)
    assert fast.unhandled == stock.unhandled == []
    assert fast.left == stock.left == 0


@settings(max_examples=60)
@given(names, dialogues, places)
def test_any_dialogue_is_the_same_on_both_engines(
    name: str, dialogue: bytes, places: list[int]
) -> None:
    """However its bytes are cut."""
    _are_alike(name, dialogue, cut(dialogue, places))


@settings(max_examples=15)
@given(names, dialogues)
def test_any_dialogue_byte_by_byte_is_the_same_on_both_engines(name: str, dialogue: bytes) -> None:
    """A byte at a time, too."""
    _are_alike(name, dialogue, [dialogue[i : i + 1] for i in range(len(dialogue))])


@settings(max_examples=60)
@given(st.lists(chunked | sessions, max_size=3).map(b"".join), places)
def test_any_chunks_are_the_same_on_both_engines(dialogue: bytes, places: list[int]) -> None:
    """With good sizes and wrong ones, where there is CHUNKING (RFC 3030)."""
    _are_alike("plain", dialogue, cut(dialogue, places))


@pytest.mark.long
@pytest.mark.timeout(110)
@pytest.mark.parametrize("part", range(20))
@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(names, dialogues, places)
def test_ten_thousand_dialogues_are_the_same_on_both_engines(
    part: int, name: str, dialogue: bytes, places: list[int]
) -> None:
    """The same again, for longer than anybody wants to wait each time; each part draws its own."""
    del part  # examples are drawn at random
    _are_alike(name, dialogue, cut(dialogue, places))
