"""A row of the SOCKS matrix: one situation, the symptoms that it has, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .. import wsa
from ..calling import NOTHING, UNTESTED
from .symptom import Service, Sign, Symptom

LOCAL: Final = 0
"""In place of an event's code: the fault is this machine's, and so is the code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    One situation.

    `version`, `hops`, `signs`, `codes` and `named` say which symptoms it has; None or empty fits
    all, but a row without `signs` fits none: it is no failure of a bind, and `outcome` says what it
    is. `winsock` is the underlying error, unless the operating system gave one of its own. `event`
    is the code that event 4007 carries, or `NOTHING` or `UNTESTED` (`calling`) for what only the
    self-test finds. `detail` names what `explain` knows of the symptom. `slow`
    says that trying again soon is no use. `taken` says that it may only mean that the port is held
    by a connection that this listener has, or had a moment ago.
    """

    key: str
    situation: str
    version: int | None = None
    hops: tuple[str, ...] = ()
    signs: tuple[Sign, ...] = ()
    codes: tuple[int, ...] = ()
    named: Service | None = None
    winsock: int = 0
    event: int = wsa.ENETDOWN
    detail: str = ""
    hint: str = ""
    outcome: str = ""
    slow: bool = False
    taken: bool = False

    @property
    def is_logged(self) -> bool:
        """Whether it is a failure that event 4007 tells of."""
        return bool(self.signs) and self.event not in (NOTHING, UNTESTED)

    def fits(self, symptom: Symptom) -> bool:
        """Say whether a symptom is one of this row's."""
        return (
            symptom.sign in self.signs
            and (not self.hops or symptom.hop in self.hops)
            and (self.version is None or symptom.version == self.version)
            and (not self.codes or symptom.code in self.codes)
            and (self.named is None or symptom.named is self.named)
        )
