"""Conditions of a question to a database, gathered with their parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, final

LAST_CURSOR: Final = 2**63 - 1
"""The largest number that databases can hold, and so the last cursor."""

Value = str | int
"""What a condition compares with; numbers may be larger than the database's."""


@final
class Conditions:
    """Conditions that hold together; without any, everything matches."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.parameters: list[Value] = []

    def hold(self, condition: str, *values: Value) -> None:
        """Add a condition, with the values of its question marks in order."""
        self._conditions.append(condition)
        self.parameters.extend(fitting(v) if isinstance(v, int) else v for v in values)

    def among(self, column: str, values: Sequence[Value]) -> None:
        """Add that a column has one of these values, if there are any."""
        if values:
            self.hold(f"{column} IN ({', '.join('?' * len(values))})", *values)

    def between(self, column: str, *, after: int | None, before: int | None) -> None:
        """Add that a column lies behind one number and in front of another, None = no bound."""
        if after is not None:
            self.hold(f"{column} > ?", after)
        if before is not None:
            self.hold(f"{column} < ?", before)

    def extend(self, conditions: Iterable[tuple[str, Sequence[Value]]]) -> None:
        """Add several."""
        for condition, values in conditions:
            self.hold(condition, *values)

    def __str__(self) -> str:
        return " AND ".join(self._conditions) or "TRUE"


def fitting(number: int) -> int:
    """Give the nearest number that a database can hold; they come from outside."""
    return max(-LAST_CURSOR, min(number, LAST_CURSOR))
