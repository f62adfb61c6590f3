"""The desk of faults: the rules in force, which of them strike, and what has fired."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, final

import msgspec

from bindpost.config.fault import Fault, Stage, octets_of, problem_of, seconds_of
from bindpost.errors import BindpostError, ConfigError

from ..message.model import utc_now
from .certificates import WRONG, WrongCertificates, can_be_made
from .facts import Facts
from .state import Armed, Firing, Origin

LOGGED: Final = 1000
"""Firings that are remembered, the newest."""
MAX_RULES: Final = 1000
"""Rules at once."""
RESERVED: Final = frozenset({"authority", "log", "presets", "reset"})
"""Names that stand for something else in the API's paths."""
_GO_ON: Final = frozenset(
    {"delay", "slow", "split", "double", "garble", "swallow", "hide", "invent"}
    | {"duplicate", "corrupt"}
)
"""Actions after which the next rule is asked too; after any other the matter is decided."""


class UnknownFaultError(BindpostError, LookupError):
    """There is no rule of this name."""


@final
class Faults:
    """
    The rules of one app. Pure: nothing is done, and nobody is told, but by who asks.

    Belongs to one event loop. `is_on` says whether there are rules at all: who works without any
    asks for nothing else. `certificates` are those of its rules for TLS. `clock` is monotonic, in
    seconds.
    """

    def __init__(
        self, faults: Iterable[Fault] = (), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the rules of the settings. Raises `ConfigError`."""
        self.is_on = False
        self._clock = clock
        self._rules: dict[str, Armed] = {}
        self.certificates = WrongCertificates()
        self._made = 0
        self._fired = 0
        self._log: deque[Firing] = deque(maxlen=LOGGED)
        self.configure(faults)

    @property
    def rules(self) -> list[Armed]:
        """The rules in force, in the order in which they are asked."""
        self._forget_expired()
        return list(self._rules.values())

    def log(self, *, after: int = 0) -> list[Firing]:
        """Give what has fired behind a number, oldest first."""
        return [firing for firing in self._log if firing.number > after]

    def seconds_left(self, armed: Armed) -> float | None:
        """Give the seconds until a rule expires, None if it does not."""
        return None if armed.ends == float("inf") else max(0.0, armed.ends - self._clock())

    def configure(self, faults: Iterable[Fault]) -> None:
        """Exchange the rules of the settings for these; the others stay. Raises `ConfigError`."""
        others = {name: one for name, one in self._rules.items() if one.origin != "file"}
        made: dict[str, Armed] = {}
        for index, fault in enumerate(faults):
            key = f"fault[{index}]"
            named = fault if fault.name else msgspec.structs.replace(fault, name=f"file-{index}")
            if named.name in made or named.name in others:
                raise ConfigError(f"{key}.name", f"there are two faults of the name {named.name!r}")
            try:
                made[named.name] = self._arm(named, "file")
            except ValueError as error:
                raise ConfigError(key, f"{named.name}: {error}") from error
        self._rules = made | others
        self._changed()

    def add(self, fault: Fault, *, origin: Origin = "api") -> Armed:
        """
        Put a rule into force, behind the others.

        Raises `ValueError` with a sentence for one that can't be, or whose name is taken.
        """
        if not fault.name:
            fault = msgspec.structs.replace(fault, name=self._free_name())
        if fault.name in {one.fault.name for one in self.rules}:
            raise ValueError(f"there is a fault of the name {fault.name!r} already")
        if fault.name in RESERVED:
            raise ValueError(f"{fault.name!r} is no name for a fault: the API has a path of it")
        if len(self._rules) >= MAX_RULES:
            raise ValueError(f"there are {MAX_RULES} faults already; remove some first")
        armed = self._rules[fault.name] = self._arm(fault, origin)
        self._changed()
        return armed

    def change(self, name: str, fault: Fault) -> Armed:
        """
        Exchange a rule for another in its place, under the same name; its counts begin anew.

        Raises `UnknownFaultError`, and `ValueError` with a sentence for one that can't be.
        """
        old = self._rule(name)
        if fault.name not in ("", name):
            raise ValueError(f"the fault {name!r} can't be renamed; remove it and add another")
        fault = msgspec.structs.replace(fault, name=name)
        armed = self._rules[name] = self._arm(fault, old.origin)
        self._changed()
        return armed

    def remove(self, name: str) -> None:
        """Let a rule be no more. Raises `UnknownFaultError`."""
        self._rule(name)
        del self._rules[name]
        self._changed()

    def clear(self, *, origin: Origin | None = None) -> int:
        """Remove all rules, or those of an origin; gives how many."""
        gone = [name for name, one in self._rules.items() if origin in (None, one.origin)]
        for name in gone:
            del self._rules[name]
        self._changed()
        return len(gone)

    def reset(self) -> None:
        """Begin all counts anew, and forget what has fired."""
        for armed in self._rules.values():
            armed.reset()
        self._log.clear()
        self._changed()

    def get(self, name: str) -> Armed:
        """Give a rule. Raises `UnknownFaultError`."""
        return self._rule(name)

    def next_idle(self, since: float) -> float | None:
        """Give after how many seconds of silence, more than these, a rule asks; None if none."""
        times = (seconds_of(one.fault) for one in self._rules.values() if one.fault.stage == "idle")
        return min((time for time in times if time > since), default=None)

    def asked_in_data(self) -> list[int]:
        """Give how many octets of a message have come when a rule asks, in order; none if none."""
        rules = [one.fault for one in self._rules.values() if one.fault.stage == "in-data"]
        return sorted(set(map(octets_of, rules)))

    def decide(self, stage: Stage, facts: Facts, *, session: str = "") -> tuple[Fault, ...]:
        """
        Give the faults that strike a session at a stage, in order; none of them for most.

        What they are is counted and logged here; to do it is for who asks.
        """
        self._forget_expired()
        now = self._clock()
        struck = []
        for armed in self._rules.values():
            if armed.fault.stage == stage and armed.strikes(facts, now):
                struck.append(armed.fault)
                self._note(armed.fault, facts, session)
                if armed.fault.action not in _GO_ON:
                    break
        return tuple(struck)

    def _note(self, fault: Fault, facts: Facts, session: str) -> None:
        self._fired += 1
        self._log.append(
            Firing(
                number=self._fired,
                when=utc_now(),
                name=fault.name,
                stage=fault.stage,
                action=fault.action,
                listener=facts.listener,
                peer=facts.peer,
                sender=facts.sender,
                recipients=facts.recipients[:100],
                session=session,
            )
        )

    def _arm(self, fault: Fault, origin: Origin) -> Armed:
        if problem := problem_of(fault):
            raise ValueError(problem)
        if fault.action in WRONG and not can_be_made():
            raise ValueError(f"{fault.action} needs the package cryptography: bindpost[tls]")
        return Armed(fault, now=self._clock(), origin=origin)

    def _rule(self, name: str) -> Armed:
        self._forget_expired()
        try:
            return self._rules[name]
        except KeyError:
            raise UnknownFaultError(f"there is no fault of the name {name!r}") from None

    def _free_name(self) -> str:
        while True:
            self._made += 1
            if (name := f"fault-{self._made}") not in self._rules:
                return name

    def _forget_expired(self) -> None:
        now = self._clock()
        if gone := [name for name, one in self._rules.items() if one.ends <= now]:
            for name in gone:
                del self._rules[name]
            self._changed()

    def _changed(self) -> None:
        self.is_on = bool(self._rules)
