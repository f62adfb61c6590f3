"""The numbered SQL files that make a schema, one folder of them for each database."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

from bindpost.errors import StoreError


def missing(folder: str, version: int, *, place: str, hint: str) -> Iterator[tuple[int, str]]:
    """
    Give the files that a database of this schema version has not had, with their numbers.

    `0001_....sql` is the first one. `place` names the database; `hint` says where else the mail
    could be. Raises `StoreError` when a newer bindpost has made the database.
    """
    known = _read(folder)
    if version > len(known):
        raise StoreError(
            f"{place} has schema version {version}, this bindpost knows up to {len(known)}; "
            f"use the newer bindpost that made it, or {hint}"
        )
    return enumerate(known[version:], start=version + 1)


def _read(folder: str) -> list[str]:
    found = sorted(
        (file for file in (files(__package__) / folder).iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    return [file.read_text("utf-8") for file in found]
