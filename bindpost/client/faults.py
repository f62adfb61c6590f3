"""The part of the client that manages faults on purpose."""

from __future__ import annotations

from datetime import datetime
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec

from ..config.fault import Fault, When, said
from ..config.fault_change import UNCHANGED, Change
from ..errors import BindpostError
from ..objects import Object
from .http import API, Api

_PATH: Final = f"{API}/faults"
_T = TypeVar("_T")
ANYBODY: Final = When()


class FaultRefusedError(BindpostError):
    """The server takes no such fault: it can't be, its name is taken, or there is none of it."""


class FaultRule(Object, frozen=True):
    """A fault in force; `met` and `fired` count, `seconds_left` is None if it does not expire."""

    name: str
    summary: str
    origin: str
    met: int
    fired: int
    seconds_left: float | None
    rule: Fault


class Fired(Object, frozen=True):
    """A fault that fired, and on whom."""

    number: int
    time: datetime
    name: str
    stage: str
    action: str
    listener: str
    peer: str
    sender: str | None
    recipients: tuple[str, ...]
    session: str


class FaultPreset(Object, frozen=True):
    """A preset: its story, and the rules that it stands for."""

    name: str
    title: str
    story: str
    rules: tuple[Fault, ...]


class LeftOut(Object, frozen=True):
    """A rule of a preset at whose stage the condition can't hold yet, as `reason` says."""

    name: str
    summary: str
    reason: str


class UsedPreset(Object, frozen=True):
    """The faults of a preset that are in force now, and those that were left out."""

    faults: tuple[FaultRule, ...]
    left_out: tuple[LeftOut, ...]


class _Rules(Object, frozen=True):
    faults: tuple[FaultRule, ...]


class _Log(Object, frozen=True):
    fired: tuple[Fired, ...]


class _Presets(Object, frozen=True):
    presets: tuple[FaultPreset, ...]


class _Removed(Object, frozen=True):
    removed: int


class FaultClient:
    """
    The faults of a running server; `Client.faults` gives it.

    Each method raises `FaultRefusedError` with what the server says, and what `Client` raises.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    def list(self) -> tuple[FaultRule, ...]:
        """Give every fault in force."""
        return self._get(_PATH, _Rules).faults

    def add(self, fault: Fault) -> FaultRule:
        """Put a fault into force, behind the others."""
        return self._read(self._ask("POST", _PATH, msgspec.to_builtins(fault)), FaultRule)

    def change(self, name: str, fault: Fault) -> FaultRule:
        """Exchange a fault for another in its place."""
        body = self._ask("PUT", _one(name), msgspec.to_builtins(fault))
        return self._read(body, FaultRule)

    def get(self, name: str) -> FaultRule:
        """Give a fault."""
        return self._get(_one(name), FaultRule)

    def remove(self, name: str) -> None:
        """Let a fault be no more."""
        self._ask("DELETE", _one(name))

    def clear(self) -> int:
        """Remove all faults; gives how many."""
        return self._read(self._ask("DELETE", _PATH), _Removed).removed

    def reset(self) -> None:
        """Begin all counts and dice anew, and forget what has fired."""
        self._ask("POST", f"{_PATH}/reset")

    def log(self, *, after: int = 0) -> tuple[Fired, ...]:
        """Give what has fired behind a number, oldest first."""
        return self._get(f"{_PATH}/log?after={after}", _Log).fired

    def authority(self) -> bytes:
        """Give the authority, as PEM, that has signed the wrong certificates of TLS faults."""
        return self._ask("GET", f"{_PATH}/authority")

    def presets(self) -> tuple[FaultPreset, ...]:
        """Give every preset."""
        return self._get(f"{_PATH}/presets", _Presets).presets

    def use(self, preset: str, when: When = ANYBODY, change: Change = UNCHANGED) -> UsedPreset:
        """
        Put a preset's rules into force, each narrowed by `when`.

        `change` has other keys of `[[fault]]`, which each rule takes that has a use for them.
        """
        path = f"{_PATH}/presets/{quote(preset, safe='')}"
        body = {"when": said(when), "change": dict(change)}
        return self._read(self._ask("POST", path, body), UsedPreset)

    def _get(self, path: str, kind: type[_T]) -> _T:
        return self._read(self._ask("GET", path), kind)

    def _ask(self, method: str, path: str, body: object = None) -> bytes:
        status, answer = self._api.ask(method, path, body, passing=(400, 404))
        if status >= 400:
            raise FaultRefusedError(answer.decode("utf-8", "replace"))
        return answer

    def _read(self, body: bytes, kind: type[_T]) -> _T:
        return self._api.read(body, kind, _PATH)


def _one(name: str) -> str:
    return f"{_PATH}/{quote(name, safe='')}"
