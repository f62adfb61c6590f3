"""What the figures come to: how much of a mail how many of the tested programs show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

Support = Literal["yes", "partial", "no", "unknown"]


class Score(NamedTuple):
    """Shares in per cent; all are 0 where nothing is known."""

    supported: float
    partial: float
    unsupported: float


EVERYWHERE: Final = Score(100.0, 0.0, 0.0)
UNKNOWN: Final = Score(0.0, 0.0, 0.0)


def support_of(said: str) -> Support:
    """Read a figure by its letter; the notes behind it change nothing of that."""
    match said[:1]:
        case "y":
            return "yes"
        case "a":
            return "partial"
        case "n":
            return "no"
    return "unknown"


def mailpit_support_of(said: str) -> Support:
    """Read a figure as Mailpit does: partial is whatever has a note, and what is not known."""
    match said:
        case "y":
            return "yes"
        case "n":
            return "no"
    return "partial"


def score_of(supports: Iterable[Support]) -> Score:
    """Give the shares among the versions that were tested; unknown ones don't count."""
    counts = Counter(supports)
    known = counts["yes"] + counts["partial"] + counts["no"]
    if not known:
        return UNKNOWN
    yes, partial, no = (counts[word] / known * 100 for word in ("yes", "partial", "no"))
    return Score(yes, partial, no)


def total_of(scores: Iterable[tuple[Score, int]], nodes: int) -> Score:
    """
    Give the score of a whole mail from those of its features and how often each was found.

    It is Mailpit's: a feature weighs by its share of the mail's elements, and the worst one counts.
    Other than there no share is more than the whole, so that nothing falls below 0.
    """
    partial = unsupported = 0.0
    for score, found in scores:
        weight = min(1.0, found / max(1, nodes))
        partial = max(partial, score.partial * weight)
        unsupported = max(unsupported, score.unsupported * weight)
    partial = min(partial, 100 - unsupported)
    return Score(100 - partial - unsupported, partial, unsupported)
