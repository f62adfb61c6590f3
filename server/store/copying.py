"""Puts together what another inbox is given of messages, from what was read of many at once."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from ..message.model import Message, Transcript
from .store import NOWHERE, Copy, MessageRow, Place


def untold(rows: Sequence[MessageRow], told: Container[str]) -> list[str]:
    """Give the sessions of these messages that are not among those that were told, each once."""
    sessions = dict.fromkeys(row.session.session_id for row in rows)
    return [session for session in sessions if session not in told]


def copies_of(
    rows: Sequence[MessageRow],
    told: Container[str],
    *,
    raws: Mapping[int, bytes],
    transcripts: Mapping[str, Transcript],
    places: Mapping[int, Mapping[str, Place]],
) -> list[Copy]:
    """
    Give copies of messages, see `SharedStore.copies`; of one that has gone there is not all.

    The bytes, and the places in mailboxes, are by the messages' cursors.
    """
    left: dict[str, Transcript | None] = {
        name: transcripts.get(name) for name in untold(rows, told)
    }
    gone = [name for name, transcript in left.items() if transcript is None]
    copies = []
    for row in rows:
        session = row.session.session_id
        if (raw := raws.get(row.cursor)) is None or session in gone:
            continue
        copies.append(
            Copy(
                message=Message(row.id, row.received, row.envelope, row.session, raw),
                transcript=left.pop(session, None),
                whole=Place(row.read, row.tags),
                mailboxes=places.get(row.cursor, NOWHERE),
            )
        )
    return copies
