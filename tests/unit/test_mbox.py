"""mbox files: what is written comes back byte for byte, and others can read it."""

from __future__ import annotations

import io
import mailbox
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.cli import mbox

MOMENT = datetime(2026, 3, 1, 11, 31, tzinfo=UTC)
raws = st.lists(
    st.sampled_from([b"From ", b">", b"\n", b"\r\n", b"\r", b"x", b"\xff\0", b"a: b", b"from "])
).map(b"".join)
TRICKY = [
    b"a: b\r\n\r\nFrom here\r\n>From there\r\n>>From\r\n",
    b"a: b\n\nbare LF, na\xefve\n\n",
    b"a: b\r\n\r\nno end",
    b"From the start\r\n",
    b"",
    b"\n\n",
    b"ends in CR\r",
]


def written(*messages: bytes, sender: str = "a@x") -> bytes:
    """Give an mbox file with these messages."""
    file = io.BytesIO()
    for raw in messages:
        mbox.write(file, raw, sender=sender, received=MOMENT)
    return file.getvalue()


@given(st.lists(raws, min_size=1, max_size=4))
def test_any_messages_come_back(messages: list[bytes]) -> None:
    """Whatever the bytes are, and in the same order."""
    entries = list(mbox.read(io.BytesIO(written(*messages)), b""))

    assert [entry.raw for entry in entries] == messages


def test_tricky_messages_come_back() -> None:
    """`From ` lines, quoted ones, bare LF, 8-bit, no final newline, nothing at all."""
    entries = list(mbox.read(io.BytesIO(written(*TRICKY)), b""))

    assert [entry.raw for entry in entries] == TRICKY


@pytest.mark.parametrize(
    ("sender", "read"),
    [("a@x", "a@x"), ("", ""), ('"a b"@x', None), ("nobody", None), ("ä@x", "ä@x")],
)
def test_the_separator_tells_the_sender(sender: str, read: str | None) -> None:
    """MAILER-DAEMON is the null reverse-path; what a separator can't hold is left unknown."""
    (entry,) = mbox.read(io.BytesIO(written(b"x\n", sender=sender)), b"")

    assert entry.sender == read


def test_python_reads_it(tmp_path: Path) -> None:
    """The standard library finds as many messages, and the separators' dates."""
    path = tmp_path / "box"
    path.write_bytes(written(b"Subject: 1\n\nFrom me\n", b"Subject: 2\n\nend", b"Subject: 3\n\n"))

    box = mailbox.mbox(path)
    try:
        messages = list(box)
    finally:
        box.close()

    assert [message["subject"] for message in messages] == ["1", "2", "3"]
    assert messages[0].get_from() == "a@x Sun Mar  1 11:31:00 2026"
    assert messages[0].get_payload() == ">From me\n"


def test_what_python_writes_is_read(tmp_path: Path) -> None:
    """An mbox of another program: its quoting is undone, its blank lines aren't ours."""
    box = mailbox.mbox(tmp_path / "box")
    box.add(b"Subject: 1\n\nFrom me\n")
    box.add(b"Subject: 2\n\nend\n")
    box.close()

    entries = list(mbox.read(io.BytesIO((tmp_path / "box").read_bytes()), b""))

    assert [entry.raw for entry in entries] == [
        b"Subject: 1\n\nFrom me\n",
        b"Subject: 2\n\nend\n",
    ]
    assert [entry.sender for entry in entries] == ["", ""]


def test_a_file_of_crlf_lines_is_read() -> None:
    """Its separators and blank lines end in CRLF; the messages keep theirs."""
    file = io.BytesIO(b"From a@x now\r\na: b\r\n\r\nx\r\n\r\nFrom a@x now\r\nc: d\r\n\r\n")

    assert [entry.raw for entry in mbox.read(file, b"")] == [b"a: b\r\n\r\nx\r\n", b"c: d\r\n"]
