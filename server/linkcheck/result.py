"""Result: what came of a link."""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal["fine", "redirect", "error", "unreachable", "refused", "not_asked"]
"""
`fine` is 2xx, `redirect` 3xx, `error` 4xx and 5xx. `unreachable` gave no answer. `refused` leads to
a private address, and `not_asked` is one that a limit left out: neither was connected to.
"""


class LinkResult(msgspec.Struct, frozen=True, kw_only=True):
    """
    What came of a link.

    `status` is the answer's, None without one. `reason` says what is wrong, empty if nothing is.
    `location` is where the last answer leads to, or where redirects have ended.
    """

    url: str
    outcome: Outcome
    status: int | None = None
    reason: str = ""
    location: str = ""

    @property
    def is_error(self) -> bool:
        """Whether there is something to mend, as Mailpit counts: no answer, or 400 and above."""
        return self.outcome not in ("fine", "redirect")


def outcome_of(status: int) -> Outcome:
    """Tell what a status means for a link."""
    if status < 300:
        return "fine"
    return "redirect" if status < 400 else "error"
