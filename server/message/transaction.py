"""The part of a session's transcript that is about one message, for who may not see the others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from .model import Envelope, Transcript, TranscriptLine

LEFT_OUT = "what the session said of other messages is left out"
_MAIL = re.compile(r"\s*MAIL\b", re.IGNORECASE)
_RCPT = re.compile(r"\s*RCPT\s+TO\s*:\s*(?:<([^<>]*)>|([^<>\s]+))", re.IGNORECASE)


def own_part(transcript: Transcript, envelope: Envelope) -> Transcript:
    """
    Give what was said before the first MAIL, and the transactions to exactly these recipients.

    What can't be read for certain is left out, as is all that follows a transaction of another
    message, up to the next one. A session with one MAIL is given whole: it brought the message.
    """
    pieces = list(_transactions(transcript))
    if len(pieces) <= 2:
        return transcript
    wanted = {recipient.address.casefold() for recipient in envelope.recipients}
    kept: list[TranscriptLine] = []
    for number, lines in enumerate(pieces):
        if number == 0 or set(_accepted(lines)) == wanted:
            kept += lines
        elif kept and kept[-1].text != LEFT_OUT:
            kept.append(TranscriptLine(lines[0].milliseconds, "-", LEFT_OUT))
    return tuple(kept)


def _transactions(transcript: Transcript) -> Iterator[Sequence[TranscriptLine]]:
    """Cut a transcript at each MAIL; the first piece is what was said before."""
    places = [
        number
        for number, line in enumerate(transcript)
        if line.speaker == "C" and _MAIL.match(line.text)
    ]
    for start, end in pairwise([0, *places, len(transcript)]):
        yield transcript[start:end]


def _accepted(lines: Sequence[TranscriptLine]) -> Iterator[str]:
    """Give the recipients that were answered with 25x, in small letters."""
    for said, answer in pairwise(lines):
        found = _RCPT.match(said.text) if said.speaker == "C" else None
        if found and answer.speaker == "S" and answer.text.startswith("25"):
            yield (found[1] if found[1] is not None else found[2]).casefold()
