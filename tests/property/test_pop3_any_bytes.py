"""POP3 by Hypothesis: any line is a command or refused, any message comes out as it went in."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from bindpost.server.pop3.body import END, slices, top
from bindpost.server.pop3.grammar import Command, CommandError, number
from bindpost.server.pop3.maildrop import Mailbox

messages = st.lists(
    st.sampled_from([b".", b"..", b"\r\n", b"\n", b"\r", b"x", b"\xff", b"a: b", b"\0"])
).map(b"".join)


def unstuffed(answer: bytes) -> bytes:
    """Read a multi-line response as RFC 1939, section 3 says, by its CRLFs."""
    lines = answer.split(b"\r\n")
    end = lines.index(b".")
    assert lines[end + 1 :] == [b""], "the response ended early"
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:end])


@given(messages, st.integers(1, 10))
def test_any_message_comes_out_with_lines_that_end_in_crlf(raw: bytes, size: int) -> None:
    """Whatever it is cut into; only bare LFs, and a missing last end of line, become CRLF."""
    expected = re.sub(rb"(?<!\r)\n", b"\r\n", raw)
    if expected and not expected.endswith(b"\n"):
        expected += b"\r\n"

    assert unstuffed(b"".join(slices(raw, size))) == expected


@given(messages)
def test_no_reader_of_lines_is_fooled(raw: bytes) -> None:
    """One who reads by LF finds the end at the end, too."""
    answer = b"".join(slices(raw))

    ends = [place for place, line in enumerate(answer.split(b"\n")) if line.rstrip(b"\r") == b"."]

    assert answer.endswith(END)
    assert ends == [answer.count(b"\n") - 1]


@given(messages, st.integers(0, 5))
def test_top_is_the_beginning(raw: bytes, lines: int) -> None:
    """It never has more than so many lines behind the blank one."""
    part = top(raw, lines)

    assert raw.startswith(part)
    header = re.search(rb"(?:\A|\n)\r?\n", part)
    assert part == raw or (header and part[header.end() :].count(b"\n") == lines)


@given(st.integers(0, 70_000), st.sampled_from([b"\n", b"\r\n", b"a line\r\n"]))
def test_top_of_a_long_message_counts_its_lines(lines: int, line: bytes) -> None:
    """It is read by slices, and has exactly so many lines all the same."""
    body = line * 60_000

    assert top(b"Subject: s\r\n\r\n" + body, lines) == b"Subject: s\r\n\r\n" + line * min(
        lines, 60_000
    )


@given(st.binary(max_size=40) | st.from_regex(rb"[a-zA-Z]{3,4} [ -~]{0,20}\r\n", fullmatch=True))
def test_any_line_is_a_command_or_refused(line: bytes) -> None:
    """Nothing but `CommandError` comes out of the grammar, and no control characters do."""
    refusal = ""
    try:
        command = Command.parse(line)
        text = command.text()
        for word in command.words(0, 3):
            assert number(word) >= 0
    except CommandError as error:
        refusal = str(error)
    else:
        assert text.isprintable() or not text.isascii()
        assert re.fullmatch("[A-Z]{1,10}", command.verb)
    assert not {"\r", "\n"} & set(refusal)


@given(st.text())
def test_any_name_means_some_mailbox(name: str) -> None:
    """A name picks one recipient, one domain, or everything."""
    mailbox = Mailbox.named(name)

    assert not (mailbox.recipient and mailbox.domain)
    assert ("@" in name) >= bool(mailbox.recipient or mailbox.domain)
