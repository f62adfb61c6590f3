"""The terms of a search: what each one asks of a message, and the header that many of them read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import msgspec

from ..message.headers import FIELD_LIMIT, HeaderFields
from ..message.model import Envelope

_APART: Final = '<>",;()\ufeff'
CUT: Final = "\N{HORIZONTAL ELLIPSIS}"
"""Ends a field of which not all is kept."""

AddressTerm = Literal["from", "to", "cc", "bcc", "reply-to", "addressed", "sender", "recipient"]
HeaderTerm = Literal["subject", "message-id"]
StateTerm = Literal["tag", "tagged", "read", "after", "before", "larger", "smaller"]
ContentTerm = Literal["text", "raw", "attachment", "inline"]
CONTENT_TERMS: Final = frozenset({"text", "raw", "attachment", "inline"})
"""What only the bytes of a message can tell."""


class Term(msgspec.Struct, frozen=True):
    """
    One condition of a search; `negated` turns it round.

    | field | holds when |
    |---|---|
    | `from`, `to`, `cc`, `reply-to`, `message-id` | this header field contains the value |
    | `subject` | the subject contains it, compared as `Query.subject` is |
    | `bcc` | a recipient of the envelope that is in neither To nor Cc contains it |
    | `addressed` | From, To, Cc, Reply-To or a recipient of the envelope contains it |
    | `sender`, `recipient` | the envelope's sender or From; one of its recipients or To |
    | `tag`, `tagged` | it has this tag, in any case; it has any |
    | `read` | it was read |
    | `after`, `before` | it was received then or later; then or earlier (microseconds since 1970) |
    | `larger`, `smaller` | it has more, or fewer, bytes |
    | `text` | what a reader sees of it contains the value (see `content.read_content`) |
    | `raw` | its bytes contain the value, in any case |
    | `attachment`, `inline` | it has one |

    Values of addresses, `message-id` and `text` are compared in the form that `plain` gives them.
    Of a To or Cc field too long to be kept whole, the envelope's recipients count as being in To.
    """

    field: AddressTerm | HeaderTerm | StateTerm | ContentTerm
    value: str | int = ""
    negated: bool = False

    @property
    def needle(self) -> str:
        """The value in the form in which it is looked for."""
        text = str(self.value)
        return fold(text) if self.field in ("subject", "tag", "raw") else plain(text)


class SearchedHeader(NamedTuple):
    """The header fields that terms look into, in plain form."""

    from_: str
    to: str
    cc: str
    reply_to: str
    message_id: str


def fold(text: str) -> str:
    """Give the form of a text in which two that differ in case only are equal, fit for UTF-8."""
    folded = text.casefold()
    return folded if folded.isascii() else folded.encode("utf-8", "replace").decode("utf-8")


def plain(text: str) -> str:
    """Give a text without case, with one space for each run of white space and `<>",;()`."""
    if not text:
        return ""
    text = fold(text)
    for character in _APART:  # faster than a pattern or a table, for texts of this length
        text = text.replace(character, " ")
    return " ".join(text.split())


def searched_header(fields: HeaderFields) -> SearchedHeader:
    """Give the header fields of a message in the form that terms compare."""
    return SearchedHeader(
        from_=plain(fields.from_),
        to=_whole_or_cut(fields.to),
        cc=_whole_or_cut(fields.cc),
        reply_to=plain(fields.reply_to),
        message_id=plain(fields.message_id),
    )


def _whole_or_cut(field: str) -> str:
    return plain(field) + CUT if len(field) >= FIELD_LIMIT else plain(field)


def addresses_hold(term: Term, envelope: Envelope, header: SearchedHeader) -> bool:
    """Say whether a term about addresses holds, `negated` aside."""
    recipients = [fold(recipient.address) for recipient in envelope.recipients]
    named = [address for address in recipients if term.needle in address]
    is_cut = header.to.endswith(CUT) or header.cc.endswith(CUT)
    places: dict[str, Iterable[str]] = {
        "from": [header.from_],
        "to": [header.to, *(named if is_cut else ())],
        "cc": [header.cc],
        "bcc": [] if is_cut else [a for a in named if a not in header.to and a not in header.cc],
        "reply-to": [header.reply_to],
        "addressed": [header.from_, header.to, header.cc, header.reply_to, *named],
        "sender": [fold(envelope.reverse_path), header.from_],
        "recipient": [header.to, *named],
    }
    return any(term.needle in place for place in places[term.field])
