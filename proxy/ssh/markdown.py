"""
The ssh matrix as a Markdown table, for docs/ssh.md.

`python -m bindpost.proxy.ssh.markdown docs/ssh.md` puts it between the file's two markers.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from .. import wsa
from ..calling import EVENTS
from .matrix import FACTS, REACH_ROWS, ROWS, Row

BEGIN: Final = "<!-- matrix: made by `python -m bindpost.proxy.ssh.markdown docs/ssh.md` -->"
END: Final = "<!-- end of matrix -->"


def rewrite(text: str) -> str:
    """Put the table between the markers of a text. Raises `ValueError` if one is missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"no line {BEGIN if not begin else END}")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def table() -> str:
    """Give the table."""
    return "\n".join(
        [
            "| hop | 4007 | what is wrong | underneath | how it is told | what to do |",
            "|---|---|---|---|---|---|",
            *(_line(row) for row in (*ROWS.values(), *REACH_ROWS.values())),
        ]
    )


def _line(row: Row) -> str:
    cells = (
        row.hop,
        EVENTS.get(row.code, str(row.code)),
        row.situation.format(**FACTS),
        f"{row.cause} {wsa.name_of(row.cause)}",
        row.shows.format(**FACTS),
        row.hint.format(**FACTS),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(rewrite(target.read_text(encoding="utf-8")), encoding="utf-8")
