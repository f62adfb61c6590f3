"""Shelf: the messages of one mailbox in memory, or of the whole inbox, as they are there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import final

import msgspec

from ..message.tags import clean_tags
from .store import Counts, MessageRow
from .terms import fold


@final
class Shelf:
    """
    Rows in the order of acceptance, with their counts and tags.

    Its methods give the ids of those that changed; those that it doesn't have are passed over.
    """

    def __init__(self) -> None:
        # Not a dict: one whose first items are deleted again and again gets slow at its beginning.
        self.rows: OrderedDict[str, MessageRow] = OrderedDict()
        self.counts = Counts(total=0, unread=0, size=0)
        self._tags: dict[str, tuple[str, int]] = {}

    @property
    def tags(self) -> Mapping[str, int]:
        """The tags in use, in order, each with the number of its messages."""
        return dict(self._tags[folded] for folded in sorted(self._tags))

    def named(self, ids: Sequence[str] | None) -> list[str]:
        """Give those of these ids that are here, each once; None = all."""
        if ids is None:
            return list(self.rows)
        return [known for known in dict.fromkeys(ids) if known in self.rows]

    def having(self, tag: str) -> list[str]:
        """Give those that have a tag, named in any case."""
        return [row.id for row in self.rows.values() if fold(tag) in map(fold, row.tags)]

    def add(self, row: MessageRow) -> MessageRow:
        """Take a message in, its tags in the case in which they are known here; give its row."""
        row = msgspec.structs.replace(row, tags=self._known(row.tags))
        self.rows[row.id] = row
        self._count(total=1, unread=0 if row.read else 1, size=row.size)
        self._count_tags((), row.tags)
        return row

    def mark(self, ids: Sequence[str], *, read: bool) -> list[str]:
        """Set or clear read flags."""
        changed = [known for known in self.named(ids) if self.rows[known].read != read]
        for known in changed:
            self.rows[known] = msgspec.structs.replace(self.rows[known], read=read)
        self._count(unread=-len(changed) if read else len(changed))
        return changed

    def set_tags(self, ids: Sequence[str], tags: Sequence[str]) -> list[str]:
        """Replace tags."""
        wanted = self._known(tags)
        return [known for known in self.named(ids) if self._set_tags(known, wanted)]

    def rename_tag(self, ids: Sequence[str], name: str, new: str | None) -> list[str]:
        """
        Rename a tag of these messages, None = take it off.

        A change of its case is none while others have it: all have it in one case.
        """
        if new is not None and (fold(new) != fold(name) or set(self.having(name)) - set(ids)):
            (new,) = self._known((new,))
        return [
            known
            for known in self.named(ids)
            if self._set_tags(known, _renamed(self.rows[known].tags, name, new))
        ]

    def remove(self, ids: Sequence[str]) -> list[str]:
        """Let messages go."""
        gone = self.named(ids)
        for row in [self.rows.pop(known) for known in gone]:
            self._count_tags(row.tags, ())
            self._count(total=-1, unread=0 if row.read else -1, size=-row.size)
        return gone

    def _known(self, tags: Sequence[str]) -> tuple[str, ...]:
        """Give tags in the case in which they are known."""
        return tuple(self._tags.get(fold(tag), (tag, 0))[0] for tag in tags)

    def _set_tags(self, known: str, tags: Sequence[str]) -> bool:
        row = self.rows[known]
        wanted = clean_tags(tags)
        if wanted == row.tags:
            return False
        self._count_tags(row.tags, wanted)
        self.rows[known] = msgspec.structs.replace(row, tags=wanted)
        return True

    def _count_tags(self, had: Sequence[str], has: Sequence[str]) -> None:
        """Take note that a message has these tags instead of those."""
        for step, tags in ((1, has), (-1, had)):
            for tag in tags:
                name, count = self._tags.pop(fold(tag), (tag, 0))
                if count + step > 0:
                    self._tags[fold(tag)] = (tag if step > 0 else name, count + step)

    def _count(self, *, total: int = 0, unread: int = 0, size: int = 0) -> None:
        self.counts = Counts(
            total=self.counts.total + total,
            unread=self.counts.unread + unread,
            size=self.counts.size + size,
        )


def _renamed(tags: Sequence[str], name: str, new: str | None) -> Sequence[str]:
    others = [tag for tag in tags if fold(tag) != fold(name)]
    if len(others) == len(tags):
        return tags
    return others if new is None else [*others, new]
