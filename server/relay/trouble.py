"""Trouble: why an attempt to relay failed, named by the hop where it did, with what to do."""

from __future__ import annotations

import unicodedata
from typing import Final, Literal

from bindpost.errors import BindpostError

Hop = Literal["proxy", "server", "message"]
LONGEST_TEXT: Final = 500
"""Characters of what a server or proxy said that are kept."""


class Trouble(BindpostError):
    """
    An attempt failed before each recipient had an answer of its own.

    `hop` is where: the proxy, the server, or the message itself. `detail` is the underlying error
    or reply and shows no credentials, `hint` what a person can do. A `permanent` one isn't tried
    again. `code` is the SMTP reply's, None if it was none.
    """

    def __init__(
        self,
        hop: Hop,
        detail: str,
        *,
        hint: str,
        permanent: bool = False,
        code: int | None = None,
    ) -> None:
        self.hop = hop
        self.detail = detail
        self.hint = hint
        self.permanent = permanent
        self.code = code
        super().__init__(detail)

    def __str__(self) -> str:
        return self.detail


def readable(said: bytes) -> str:
    """Give what a peer said as one line of harmless text, shortened."""
    text = said[: 4 * LONGEST_TEXT].decode("utf-8", "replace")
    shown = "".join(" " if unicodedata.category(char).startswith("C") else char for char in text)
    return " ".join(shown.split())[:LONGEST_TEXT]
