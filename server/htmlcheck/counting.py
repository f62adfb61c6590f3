"""Counts which elements of a mail concern a feature, and notes where the first of them are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from .markup import Element
from .style import Compound

PLACE_LIMIT: Final = 20
"""Places that are told of a feature."""
_IMPLIED: Final = ("html", "head", "body")
"""Elements that are there even where their tags are not."""


class Place(NamedTuple):
    """Where a feature is: a line of the HTML, from 1, and in what: `<td>` or `style sheet`."""

    line: int
    where: str


class Count:
    """What was found of one feature: each element counts once, however often it says so."""

    def __init__(self) -> None:
        self.elements: list[int] = []
        self.of_rules = 0
        self.loose = 0
        self.places: list[Place] = []

    def note(self, place: Place) -> None:
        """Remember a place, each once and only the first."""
        if len(self.places) < PLACE_LIMIT and place not in self.places:
            self.places.append(place)

    @property
    def found(self) -> int:
        """How often it was found."""
        return (mask_of(self.elements) | self.of_rules).bit_count() + self.loose


class Index:
    """
    Which elements a selector's last part names.

    A set of elements is a number with a bit for each of them, so that sets are cut and joined by
    one operation. The other parts of a selector are not asked: `.a td` is taken for `td`. So time
    and memory stay linear, and a count can be too high where a mail means few of its `td`.
    """

    def __init__(self, elements: Sequence[Element]) -> None:
        self._types: defaultdict[str, list[int]] = defaultdict(list)
        self._classes: defaultdict[str, list[int]] = defaultdict(list)
        self._ids: defaultdict[str, list[int]] = defaultdict(list)
        self._attributes: defaultdict[str, list[int]] = defaultdict(list)
        for number, element in enumerate(elements):
            self._types[element.name].append(number)
            self._ids[element.attributes.get("id", "")].append(number)
            for name in dict.fromkeys(element.attributes.get("class", "").split()):
                self._classes[name].append(number)
            for name in element.attributes:
                self._attributes[name].append(number)
        implied = [name for name in _IMPLIED if name not in self._types]
        for number, name in enumerate(implied, start=len(elements)):
            self._types[name].append(number)
        self._all = (1 << len(elements)) - 1

    def select(self, compounds: Iterable[Compound]) -> int:
        """Give the elements of any of these."""
        found = 0
        for compound in compounds:
            found |= self._select(compound)
        return found

    def _select(self, compound: Compound) -> int:
        listed = [self._classes.get(name, []) for name in compound.classes]
        listed += [self._attributes.get(name, []) for name in compound.attributes]
        if compound.type:
            listed.append(self._types.get(compound.type, []))
        if compound.id:
            listed.append(self._ids.get(compound.id, []))
        if not all(listed):
            return 0
        found = mask_of(listed[0]) if listed else self._all
        for numbers in listed[1:]:
            found &= mask_of(numbers)
        return found


def mask_of(numbers: Sequence[int]) -> int:
    """Give the set of these numbers, which are in order."""
    if not numbers:
        return 0
    bits = bytearray(max(numbers) // 8 + 1)
    for number in numbers:
        bits[number // 8] |= 1 << number % 8
    return int.from_bytes(bits, "little")
