"""Every page with a generated part: the command in its marker makes what stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
MARKER = re.compile(r"<!-- .*?made by `?python -m (bindpost[.\w]+).*-->")
PAGES = {
    page.name: found
    for page in sorted(DOCS.glob("*.md"))
    if (found := MARKER.search(page.read_text(encoding="utf-8")))
}


def test_the_pages_are_found() -> None:
    """Pages that are known to be generated in part are among those that are looked at."""
    known = ["events", "personalities", "settings", "socks", "ssh"]

    assert {f"{name}.md" for name in known} <= set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_the_part_is_up_to_date(name: str, tmp_path: Path) -> None:
    """The command, run on a copy whose part was emptied, gives the page as it is."""
    page = (DOCS / name).read_text(encoding="utf-8")
    begin = PAGES[name]
    end = re.search(r"<!-- (?:end of .*|.*: end) -->", page[begin.end() :])
    assert end is not None
    copy = tmp_path / name
    after = page[begin.end() + end.start() :]
    copy.write_text(f"{page[: begin.end()]}\n{after}", encoding="utf-8")

    subprocess.run([sys.executable, "-m", begin[1], str(copy)], check=True, timeout=30)

    assert copy.read_text(encoding="utf-8") == page


@pytest.mark.parametrize("name", PAGES)
def test_the_command_names_its_page(name: str) -> None:
    """Whoever copies a command with a file's name from a marker renews that very page."""
    assert set(re.findall(r"docs/(\S+)`", PAGES[name][0])) <= {name}
