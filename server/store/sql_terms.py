"""What a query asks of a message's own rows, as SQL conditions that every database takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from .conditions import Conditions
from .store import Query
from .terms import CONTENT_TERMS, CUT, Term, fold

_NAMED: Final = (
    "EXISTS (SELECT 1 FROM recipient WHERE recipient.cursor = message.cursor"
    " AND instr(recipient.address, ?1) > 0)"
)
_IS_CUT: Final = f"(header.to_ LIKE '%{CUT}' OR header.cc LIKE '%{CUT}')"

# `?1` is the term's value; `message` and `header` are joined.
_CONDITIONS: Final[Mapping[str, str]] = {
    "from": "instr(header.from_, ?1) > 0",
    "to": f"(instr(header.to_, ?1) > 0 OR ({_IS_CUT} AND {_NAMED}))",
    "cc": "instr(header.cc, ?1) > 0",
    "bcc": (
        f"(NOT {_IS_CUT} AND EXISTS (SELECT 1 FROM recipient"  # noqa: S608 - constants only
        " WHERE recipient.cursor = message.cursor AND instr(recipient.address, ?1) > 0"
        " AND instr(header.to_, recipient.address) = 0"
        " AND instr(header.cc, recipient.address) = 0))"
    ),
    "reply-to": "instr(header.reply_to, ?1) > 0",
    "addressed": (
        "(instr(header.from_, ?1) > 0 OR instr(header.to_, ?1) > 0 OR instr(header.cc, ?1) > 0"
        f" OR instr(header.reply_to, ?1) > 0 OR {_NAMED})"
    ),
    "sender": "(instr(message.sender, ?1) > 0 OR instr(header.from_, ?1) > 0)",
    "recipient": f"(instr(header.to_, ?1) > 0 OR {_NAMED})",
    "subject": "instr(message.subject, ?1) > 0",
    "message-id": "instr(header.message_id, ?1) > 0",
    "tag": ("EXISTS (SELECT 1 FROM tag WHERE tag.cursor = message.cursor AND tag.folded = ?1)"),
    "tagged": "EXISTS (SELECT 1 FROM tag WHERE tag.cursor = message.cursor)",
    "after": "message.received >= ?1",
    "before": "message.received <= ?1",
    "larger": "message.size > ?1",
    "smaller": "message.size < ?1",
}
_NUMBERS: Final = ("after", "before", "larger", "smaller")


def row_conditions(query: Query) -> Conditions:
    """Give what a query asks of a message's own row and header, its recipient and place aside."""
    conditions = Conditions()
    if query.sender is not None:
        conditions.hold("message.sender = ?", fold(query.sender))
    if query.subject:
        conditions.hold("instr(message.subject, ?) > 0", fold(query.subject))
    if query.unread is not None:
        # Literal: the index of unread ones is partial.
        conditions.hold("message.read = 0" if query.unread else "message.read = 1")
    conditions.extend(_terms(query.terms))
    return conditions


def content_conditions(
    terms: Sequence[Term], *, words: str, entry: str
) -> list[tuple[str, list[str | int]]]:
    """
    Give the conditions of the terms about content that an index answers, with their parameters.

    `words` is the table that has the text, `entry` the one that has the counts of parts.
    """
    conditions = {
        "text": f"instr({words}.text, ?) > 0",
        "attachment": f"{entry}.attachments > 0",
        "inline": f"{entry}.inline > 0",
    }
    return [
        (
            f"NOT ({conditions[term.field]})" if term.negated else conditions[term.field],
            [term.needle] if term.field == "text" else [],
        )
        for term in terms
        if term.field in conditions
    ]


def need_header(terms: Sequence[Term]) -> bool:
    """Say whether the conditions of these terms look into `header`."""
    return any("header." in _CONDITIONS.get(term.field, "") for term in terms)


def _terms(terms: Sequence[Term]) -> list[tuple[str, list[str | int]]]:
    """Give the condition of each term that needs no content, with its parameters."""
    return [_condition(term) for term in terms if term.field not in CONTENT_TERMS]


def _condition(term: Term) -> tuple[str, list[str | int]]:
    if term.field == "read":
        # Literal, and not negated: the index of unread ones is partial.
        return ("message.read = 0" if term.negated else "message.read = 1"), []
    sql = _CONDITIONS[term.field]
    value = int(term.value) if term.field in _NUMBERS else term.needle
    parameters = [value] * sql.count("?1")
    condition = sql.replace("?1", "?")
    return (f"NOT ({condition})" if term.negated else condition), parameters
