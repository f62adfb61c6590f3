"""
The SOCKS matrix as a Markdown table, for docs/socks.md.

`python -m bindpost.proxy.socks.markdown docs/socks.md` puts it between the file's two markers.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from .. import wsa
from ..calling import EVENTS
from .matrix import LOCAL, MATRIX, Row
from .symptom import REACH, Sign

BEGIN: Final = "<!-- matrix: made by `python -m bindpost.proxy.socks.markdown docs/socks.md` -->"
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
            "| what is wrong | version | hop | how it is told | underneath | 4007 | what to do |",
            "|---|---|---|---|---|---|---|",
            *(_line(row) for row in MATRIX),
        ]
    )


def _line(row: Row) -> str:
    version = str(row.version or "")
    if row.outcome:
        cells = (row.situation, version, "", "", "", "none", row.outcome)
    else:
        cells = (
            row.situation,
            version,
            ", ".join(row.hops),
            _told(row),
            f"{row.winsock} {wsa.name_of(row.winsock)}",
            "its own" if row.event == LOCAL else EVENTS.get(row.event, str(row.event)),
            row.hint,
        )
    return f"| {' | '.join(cells)} |"


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


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(rewrite(target.read_text(encoding="utf-8")), encoding="utf-8")
