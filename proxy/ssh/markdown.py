"""
The ssh matrix as a Markdown table, for docs/ssh.md.

`python -m bindpost.proxy.ssh.markdown docs/ssh.md` puts it between the file's two markers.
"""

from __future__ import annotations

import sys
from typing import Final

from bindpost.pages import Part, table

from .. import wsa
from ..calling import EVENTS
from .matrix import FACTS, REACH_ROWS, ROWS, Row


def matrix() -> str:
    """Give the table."""
    return table(
        ("hop", "4007", "what is wrong", "underneath", "how it is told", "what to do"),
        map(_cells, (*ROWS.values(), *REACH_ROWS.values())),
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.hop,
        EVENTS.get(row.code, str(row.code)),
        row.situation.format(**FACTS),
        f"{row.cause} {wsa.name_of(row.cause)}",
        row.shows.format(**FACTS),
        row.hint.format(**FACTS),
    )


PART: Final = Part(
    page="docs/ssh.md",
    begin="<!-- matrix: made by `python -m bindpost.proxy.ssh.markdown docs/ssh.md` -->",
    end="<!-- end of matrix -->",
    make=matrix,
)

if __name__ == "__main__":
    PART.main(sys.argv[1:])
