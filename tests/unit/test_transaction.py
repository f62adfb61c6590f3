"""The part of a session's transcript that is about one message."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bindpost.server.message.model import Envelope, Recipient, Transcript, TranscriptLine
from bindpost.server.message.transaction import LEFT_OUT, own_part

HELLO = ("S 220 ready", "C EHLO x", "S 250 ok")


def transcript(*lines: str) -> Transcript:
    """Make a transcript of lines that begin with who spoke."""
    return tuple(TranscriptLine(number, *line.split(" ", 1)) for number, line in enumerate(lines))  # type: ignore[arg-type]


def transaction(*to: str, mail: str = "MAIL FROM:<a@x>", answer: str = "250 ok") -> Sequence[str]:
    """Give the lines of a transaction."""
    said = [line for one in to for line in (f"C RCPT TO:{one}", f"S {answer}")]
    return (f"C {mail}", "S 250 ok", *said, "C DATA", "S 354 go", "- 5 octets", "S 250 kept")


def texts(found: Transcript) -> list[str]:
    """Give the lines of a transcript again."""
    return [f"{line.speaker} {line.text}" for line in found]


MINE = Envelope("a@x", (Recipient("me@a"), Recipient("you@a")))


@pytest.mark.parametrize(
    "other",
    [
        transaction("<it@b>"),
        transaction("<me@a>"),
        transaction("<me@a>", "<you@a>", "<it@b>"),
        transaction("<me@a>", "<you@a>", answer="550 no"),
        transaction("me@a you@a"),
        transaction("<me@a>", "<you@a", mail="mail from:<>"),
        ("C MAIL FROM:<a@x>",),
        ("C MAIL FROM:<a@x>", "C RCPT TO:<me@a>", "C RCPT TO:<you@a>", "S 250 ok"),
    ],
)
def test_other_transactions_are_left_out(other: Sequence[str]) -> None:
    """What has other recipients, or can't be read for certain, is not shown, wherever it stands."""
    mine = transaction("<ME@a>", "you@A NOTIFY=NEVER")

    for lines in ((*HELLO, *mine, *other), (*HELLO, *other, *mine)):
        found = texts(own_part(transcript(*lines), MINE))

        assert [line for line in found if line != f"- {LEFT_OUT}"] == [*HELLO, *mine]
        assert found.count(f"- {LEFT_OUT}") == 1


def test_what_follows_belongs_to_the_transaction_before() -> None:
    """Commands between two transactions are seen by whose transaction was before them."""
    lines = (*HELLO, *transaction("<it@b>"), "C VRFY <it@b>", "S 252 maybe", *transaction("<me@a>"))

    found = texts(own_part(transcript(*lines), Envelope("a@x", (Recipient("me@a"),))))

    assert "it@b" not in str(found)


def test_several_others_are_one_remark() -> None:
    """However many transactions are left out in a row, one line says so."""
    lines = (*HELLO, *transaction("<it@b>"), *transaction("<it@c>"), *transaction("<me@a>"))

    found = texts(own_part(transcript(*lines), MINE))

    assert found == [*HELLO, f"- {LEFT_OUT}"]


@pytest.mark.parametrize("lines", [(), HELLO, (*HELLO, *transaction("odd")), ("- imported",)])
def test_a_session_of_one_message_is_whole(lines: Sequence[str]) -> None:
    """Nothing is left out where there is nothing of another message."""
    assert texts(own_part(transcript(*lines), MINE)) == list(lines)
