"""Faults for a test: added by it, narrowed as it likes, and gone after it."""

from __future__ import annotations

import contextlib
from typing import Any, Protocol, Self

from ..client.faults import FaultRefusedError, FaultRule, Fired, LeftOut, UsedPreset
from ..config.fault import Action, Fault, Stage, When
from ..config.fault_change import Change, read_rule, read_use


class FaultDesk(Protocol):
    """What takes faults: a server in this process, or one that runs elsewhere."""

    def add(self, fault: Fault) -> FaultRule:
        """Put a fault into force. Raises `FaultRefusedError`."""
        ...

    def remove(self, name: str) -> None:
        """Let a fault be no more. Raises `FaultRefusedError`."""
        ...

    def log(self, *, after: int = 0) -> tuple[Fired, ...]:
        """Give what has fired behind a number, oldest first."""
        ...

    def use(self, preset: str, when: When, change: Change) -> UsedPreset:
        """Put a preset's rules into force. Raises `FaultRefusedError`."""
        ...

    def authority(self) -> bytes:
        """Give the authority, as PEM, that has signed the wrong certificates."""
        ...


class Injected:
    """
    Rules that a test has added; leaving a `with` block of it removes them.

    `left_out` are those of a preset that can't be narrowed as it was asked for.
    """

    def __init__(
        self,
        desk: FaultDesk,
        rules: tuple[FaultRule, ...],
        start: int,
        left_out: tuple[LeftOut, ...],
    ) -> None:
        self._desk = desk
        self._start = start
        self.names = tuple(rule.name for rule in rules)
        self.left_out = left_out

    @property
    def log(self) -> tuple[Fired, ...]:
        """What has fired of these rules, oldest first."""
        return tuple(one for one in self._desk.log(after=self._start) if one.name in self.names)

    @property
    def fired(self) -> int:
        """How often they have struck."""
        return len(self.log)

    def remove(self) -> None:
        """Let them be no more; those that have expired are gone already."""
        for name in self.names:
            with contextlib.suppress(FaultRefusedError):
                self._desk.remove(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class FaultsOfTest:
    """
    The faults of a test: `bindpost.faults`.

    What it adds is removed after the test, or by `clear`. On a server that tests share, say in the
    condition whom a fault shall strike: `recipient="*@this-test.example"`.
    """

    def __init__(self, desk: FaultDesk) -> None:
        self._desk = desk
        self._added: list[Injected] = []

    def add(self, stage: Stage, action: Action, **more: Any) -> Injected:
        """
        Put a fault into force.

        `more` are the other keys of `[[fault]]` and, beside them, those of its `when`. Raises
        `FaultRefusedError` for what can't be.
        """
        try:
            fault = read_rule({"stage": stage, "action": action} | more)
        except ValueError as error:
            raise FaultRefusedError(str(error)) from None
        start = self._newest()
        return self._note((self._desk.add(fault),), start)

    def preset(self, name: str, **more: Any) -> Injected:
        """
        Put a preset's rules into force.

        `more` are conditions, which narrow them, and other keys of `[[fault]]`, which each rule
        takes that has a use for them. Raises `FaultRefusedError` for what can't be.
        """
        try:
            when, change = read_use(more)
        except ValueError as error:
            raise FaultRefusedError(str(error)) from None
        start = self._newest()
        used = self._desk.use(name, when, change)
        return self._note(used.faults, start, left_out=used.left_out)

    @property
    def authority(self) -> bytes:
        """The authority, as PEM, of TLS faults: who trusts it finds nothing else wrong."""
        return self._desk.authority()

    @property
    def log(self) -> tuple[Fired, ...]:
        """What has fired of the rules that this test has added, oldest first."""
        found = {one.number: one for added in self._added for one in added.log}
        return tuple(found[number] for number in sorted(found))

    def clear(self) -> None:
        """Remove what this test has added."""
        for added in self._added:
            added.remove()
        self._added.clear()

    def _newest(self) -> int:
        return max((one.number for one in self._desk.log()), default=0)

    def _note(
        self, rules: tuple[FaultRule, ...], start: int, left_out: tuple[LeftOut, ...] = ()
    ) -> Injected:
        injected = Injected(self._desk, rules, start, left_out)
        self._added.append(injected)
        return injected
