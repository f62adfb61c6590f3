"""
Make server/htmlcheck/caniemail.json of a checkout of Can I email (repository hteumeuleu/caniemail).

Usage: .venv/bin/python scripts/lib/caniemail.py PATH/TO/CHECKOUT

The figures are taken over as they are; what bindpost has no use for, test pages for instance, is
left out.
Beside them goes the repository's licence, since it asks for that.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

TARGET = Path(__file__).parents[2] / "server" / "htmlcheck"


def main(checkout: Path) -> None:
    """Write the file, and the licence beside it."""
    names = yaml.safe_load((checkout / "_data" / "nicenames.yml").read_text())
    head = {
        "source": "https://www.caniemail.com/",
        "commit": _git(checkout, "%H"),
        "date": _git(checkout, "%cs"),
        "families": names["family"],
        "platforms": names["platform"],
    }
    features = [
        _feature(path)
        for path in sorted((checkout / "_features").glob("*.md"))
        if not path.name.startswith("_")
    ]
    # One feature to a line, so that a diff tells what has changed.
    lines = ",\n".join(
        json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in features
    )
    text = json.dumps(head, ensure_ascii=False, indent=0)[:-2]
    (TARGET / "caniemail.json").write_text(f'{text},\n"features": [\n{lines}\n]\n}}\n')
    (TARGET / "caniemail-licence.txt").write_text((checkout / "LICENSE").read_text())
    print(f"{len(features)} features of {head['date']}")  # noqa: T201


def _git(checkout: Path, form: str) -> str:
    command = ["git", "-C", str(checkout), "log", "-1", f"--format={form}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def _feature(path: Path) -> dict[str, Any]:
    """Read the front matter of a feature's page."""
    matter = path.read_text().split("\n---", 1)[0].removeprefix("---")
    known = yaml.safe_load(matter.replace("\t", "    "))
    return {
        "slug": path.stem,
        "title": known["title"].strip(),
        "description": known.get("description") or "",
        "category": known["category"],
        "tags": (known.get("tags") or "").split(),
        "keywords": known.get("keywords") or "",
        "tested": str(known["last_test_date"]),
        "support": known["stats"],
        "notes": {str(number): text for number, text in (known.get("notes_by_num") or {}).items()},
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
