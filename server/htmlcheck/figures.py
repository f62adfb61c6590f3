"""The support figures of Can I email (caniemail.com), as scripts/lib/caniemail.py makes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

FILE: Final = Path(__file__).parent / "caniemail.json"


class Tested(NamedTuple):
    """
    What a version of a mail program does with a feature, as it was tested.

    `family` and `platform` are Can I email's keys: `outlook`, `windows`. `said` is its own form:
    `y` supported, `a` partly, `n` not, `u` unknown, and then the numbers of notes, `a #1 #2`.
    """

    family: str
    platform: str
    version: str
    said: str

    @property
    def notes(self) -> list[str]:
        """The numbers of its notes."""
        return [word[1:] for word in self.said.split() if word.startswith("#")]


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """A feature; `description` and `notes` are Markdown, `category` css, html, image or others."""

    slug: str
    title: str
    description: str
    category: str
    tags: tuple[str, ...]
    keywords: str
    tested: str
    support: dict[str, dict[str, dict[str, str]]]
    notes: dict[str, str]

    @property
    def url(self) -> str:
        """Its page at Can I email; empty for what is not from there."""
        if not self.support:
            return ""
        return f"https://www.caniemail.com/features/{self.slug}/"

    def results(self) -> Iterator[Tested]:
        """Give what was tested; the versions of a program in order, the newest last."""
        for family, platforms in self.support.items():
            for platform, versions in platforms.items():
                for version, said in versions.items():
                    yield Tested(family, platform, version, said)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """All of the figures; `families` and `platforms` are the names that people know."""

    source: str
    commit: str
    date: str
    families: dict[str, str]
    platforms: dict[str, str]
    features: list[Feature]

    def program(self, family: str, platform: str) -> str:
        """Give the name of a program on a platform: `Outlook Windows`."""
        return f"{self.families[family]} {self.platforms[platform]}"


def load() -> Figures:
    """Read the file; takes some milliseconds."""
    return msgspec.json.decode(FILE.read_bytes(), type=Figures)
