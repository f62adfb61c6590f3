"""
The SOCKS matrix as a Markdown table, for docs/socks.md.

`python -m bindpost.proxy.socks.markdown docs/socks.md` puts it between the file's two markers.
"""

from __future__ import annotations

import sys
from typing import Final

from bindpost.pages import Part, table

from .. import wsa
from ..calling import EVENTS
from .matrix import LOCAL, MATRIX, Row
from .symptom import REACH, Sign


def matrix() -> str:
    """Give the table."""
    return table(
        (
            "what is wrong",
            "version",
            "hop",
            "how it is told",
            "underneath",
            "4007",
            "what to do",
        ),
        map(_cells, MATRIX),
    )


def _cells(row: Row) -> tuple[str, ...]:
    version = str(row.version or "")
    if row.outcome:
        return (row.situation, version, "", "", "", "none", row.outcome)
    return (
        row.situation,
        version,
        ", ".join(row.hops),
        _told(row),
        f"{row.winsock} {wsa.name_of(row.winsock)}",
        "its own" if row.event == LOCAL else EVENTS.get(row.event, str(row.event)),
        row.hint,
    )


def _told(row: Row) -> str:
    """Say by what a row is told from the others."""
    if set(row.signs) == set(Sign):
        return "anything else"
    if Sign.REPLY in row.signs:
        codes = " or ".join(f"0x{code:02X}" for code in row.codes)
        if REACH in row.hops:
            return f"reply {codes} to CONNECT" if codes else "another reply to CONNECT"
        number = "second" if "accept" in row.hops else "first"
        return f"{number} reply {codes}" if codes else f"another code in the {number} reply"
    if row.codes:
        return ", ".join(wsa.name_of(code) for code in row.codes)
    if row.named:
        return f"its first bytes, or its answer to a probe: {row.named}"
    return " or ".join(row.signs)


PART: Final = Part(
    page="docs/socks.md",
    begin="<!-- matrix: made by `python -m bindpost.proxy.socks.markdown docs/socks.md` -->",
    end="<!-- end of matrix -->",
    make=matrix,
)

if __name__ == "__main__":
    PART.main(sys.argv[1:])
