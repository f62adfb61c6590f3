"""
What a search sees of a message's content; and looking for it in one message after the other.

That is how contents are searched without an index, and those that are not in it yet.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, final

from bindpost.errors import SearchTimeoutError

from ..message.parse import ParsedMessage, parse
from ..message.snippet import strip_markup
from .store import MessageRow
from .terms import CONTENT_TERMS, Term, plain

SEARCH_SECONDS: Final = 10.0
"""How long one search may look through contents."""
TEXT_LIMIT: Final = 1024 * 1024
"""Characters of a message's text that are searched."""
REMEMBERED: Final = 16 * 1024 * 1024
"""Characters of text that are remembered, of all messages together."""

Raw = Callable[[], bytes | None]


class Content(NamedTuple):
    """A message as a search sees it; `text` is in the form that `plain` gives."""

    text: str
    attachments: int
    inline: int


def read_content(row: MessageRow, raw: bytes) -> Content:
    """Read what a search sees of a message. Never raises."""
    return content_of(row, parse(raw))


def content_of(row: MessageRow, message: ParsedMessage) -> Content:
    """
    Give what a search sees: addresses, subject, the words of the body, names of attachments.

    The words are those of the HTML form, or of the text when there is none.
    """
    words = (*_header_words(row, message), *_body_words(message))
    return Content(
        text=plain(" ".join(words))[:TEXT_LIMIT],
        attachments=len(message.attachments),
        inline=len(message.inline),
    )


def _header_words(row: MessageRow, message: ParsedMessage) -> list[str]:
    fields = [message.header(name) for name in ("From", "Subject", "To", "Cc", "Reply-To")]
    recipients = [recipient.address for recipient in row.envelope.recipients]
    return [*fields, *recipients, row.envelope.reverse_path]


def _body_words(message: ParsedMessage) -> list[str]:
    body = strip_markup(message.html[: 4 * TEXT_LIMIT]) if message.html else message.text
    return [body[:TEXT_LIMIT], *(part.file_name for part in message.attachments)]


def unindexed(error: SearchTimeoutError, upto: int) -> SearchTimeoutError:
    """Give the error of a search that ran out of time behind what the index has, to a cursor."""
    return SearchTimeoutError(
        f"{error}; the messages behind cursor {upto} are not in the search index yet"
    )


@final
class ContentSearch:
    """
    Looks for terms in the contents of messages, for `seconds` a search; for any threads.

    What it has read it remembers, so a search that ran out of time gets further the next time.
    """

    def __init__(self, *, seconds: float = SEARCH_SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._remembered: OrderedDict[int, Content] = OrderedDict()
        self._size = 0

    def deadline(self, seconds: float | None = None) -> float:
        """Give the end of a search that begins now, and may take less time than usual."""
        return time.monotonic() + (
            self._seconds if seconds is None else min(seconds, self._seconds)
        )

    def timeout(self) -> SearchTimeoutError:
        """Give the error of a search that has passed its deadline."""
        return SearchTimeoutError(
            f"the search took longer than {self._seconds:g} seconds; "
            "narrow it by from:, to:, subject: or after:, or try again"
        )

    def holds(self, terms: Sequence[Term], row: MessageRow, raw: Raw, *, deadline: float) -> bool:
        """
        Say whether all of these terms hold that are about content.

        Raises `SearchTimeoutError` when the deadline has passed.
        """
        about = [term for term in terms if term.field in CONTENT_TERMS]
        if not about:
            return True
        if time.monotonic() >= deadline:
            raise self.timeout()
        return all(self._holds(term, row, raw) != term.negated for term in about)

    def _holds(self, term: Term, row: MessageRow, raw: Raw) -> bool:
        if term.field == "raw":
            needle = term.needle.encode()
            return needle in (raw() or b"").lower()
        content = self._content(row, raw)
        if term.field == "attachment":
            return content.attachments > 0
        if term.field == "inline":
            return content.inline > 0
        return term.needle in content.text

    def _content(self, row: MessageRow, raw: Raw) -> Content:
        with self._lock:
            known = self._remembered.get(row.cursor)
            if known is not None:
                self._remembered.move_to_end(row.cursor)
                return known
        content = read_content(row, raw() or b"")
        with self._lock:
            if row.cursor not in self._remembered:
                self._remembered[row.cursor] = content
                self._size += len(content.text)
            while self._size > REMEMBERED:
                _, dropped = self._remembered.popitem(last=False)
                self._size -= len(dropped.text)
        return content
