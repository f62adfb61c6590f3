"""Pages of the documentation of which a part is generated: what stands between two markers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """
    The generated part of a page.

    `page` is the file that it belongs to, from the top of a checkout. `begin` and `end` are the two
    comments that it stands between; one of them names the command that makes it anew. `make` gives
    its text in Markdown.
    """

    page: str
    begin: str
    end: str
    make: Callable[[], str]

    def renew(self, text: str) -> str:
        """Give a page's text with this part made anew. Raises `ValueError` without the markers."""
        before, begin, rest = text.partition(self.begin)
        _, end, after = rest.partition(self.end)
        if not (begin and end):
            raise ValueError(f"no line {self.end if begin else self.begin}")
        return f"{before}{begin}\n\n{self.make().strip()}\n\n{end}{after}"

    def main(self, files: Sequence[str]) -> None:
        """
        Make this part of each file anew, without any that of `page`.

        Ends the process with a sentence if a file can't be read or written or lacks a marker.
        """
        for file in files or [self.page]:
            path = Path(file)
            try:
                path.write_text(self.renew(path.read_text(encoding="utf-8")), encoding="utf-8")
            except (OSError, ValueError) as error:
                sys.exit(f"{file} is left as it was: {error}")


def table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """Give a table in Markdown; a cell is in Markdown, too, so a `|` in it is escaped."""
    first, *others = (f"| {' | '.join(cells)} |" for cells in (head, *rows))
    return "\n".join([first, f"|{'---|' * len(head)}", *others])
