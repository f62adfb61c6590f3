"""Mailpit's chaos: three triggers, as a face of the faults on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bindpost.config.fault import Fault, Stage

from ..faults import Faults
from .requests import decode_object, read_body, refuse
from .responses import json_response


class Trigger(msgspec.Struct, rename="pascal"):
    """A code from 400 to 599, and how often in a hundred times it is given."""

    error_code: int = 0
    probability: int = 0


class Chaos(msgspec.Struct, rename="pascal"):
    """The triggers, as Mailpit tells them."""

    sender: Trigger
    recipient: Trigger
    authentication: Trigger


class _Given(msgspec.Struct):
    """A trigger as a client gives it, its keys in lower case."""

    errorcode: int = 0
    probability: int = 0


class _Wanted(msgspec.Struct):
    """The triggers that a client gives."""

    sender: _Given = msgspec.field(default_factory=_Given)
    recipient: _Given = msgspec.field(default_factory=_Given)
    authentication: _Given = msgspec.field(default_factory=_Given)


_TRIGGERS: Final[Mapping[str, tuple[Stage, int]]] = MappingProxyType(
    {"sender": ("MAIL", 451), "recipient": ("RCPT", 451), "authentication": ("AUTH", 535)}
)
"""Each trigger's stage, and its code unless another is given."""


class MailpitChaos:
    """The handlers; `enabled` is what Mailpit's --enable-chaos says."""

    def __init__(self, faults: Faults, *, enabled: bool) -> None:
        self._faults = faults
        self._enabled = enabled
        self._codes = {name: code for name, (_, code) in _TRIGGERS.items()}

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("/api/v1/chaos", self.chaos),
            Route("/api/v1/chaos", self.change, methods=["PUT"]),
        ]

    async def chaos(self, _: Request) -> Response:
        """Answer with the triggers."""
        self._check()
        return json_response(Chaos(*(self._trigger(name) for name in _TRIGGERS)))

    async def change(self, request: Request) -> Response:
        """Set all triggers; one that isn't given goes back to its code and never strikes."""
        self._check()
        try:
            wanted = decode_object(await read_body(request), _Wanted)
        except ValueError as error:
            refuse(str(error))
        given = {name: self._checked(name, getattr(wanted, name)) for name in _TRIGGERS}
        self._faults.clear(origin="chaos")
        for name, trigger in given.items():
            self._codes[name] = trigger.error_code
            if trigger.probability:
                self._faults.add(_rule(name, trigger), origin="chaos")
        return await self.chaos(request)

    def _check(self) -> None:
        if not self._enabled:
            refuse("Chaos is not enabled")

    def _checked(self, name: str, given: _Given) -> Trigger:
        """Give a trigger, or refuse it in Mailpit's words."""
        code = given.errorcode or _TRIGGERS[name][1]
        if not 400 <= code <= 599:
            refuse("error code must be between 400 and 599")
        if not 0 <= given.probability <= 100:
            refuse("probability must be between 0 and 100")
        return Trigger(code, given.probability)

    def _trigger(self, name: str) -> Trigger:
        """Give a trigger as the rules have it: one that was removed never strikes."""
        chances = [
            one.fault.probability for one in self._faults.rules if one.fault.name == _name(name)
        ]
        return Trigger(self._codes[name], round(100 * sum(chances)))


def _name(trigger: str) -> str:
    return f"chaos-{trigger}"


def _rule(name: str, trigger: Trigger) -> Fault:
    return Fault(
        name=_name(name),
        stage=_TRIGGERS[name][0],
        action="reply",
        code=trigger.error_code,
        text=f"Chaos {name} error",
        probability=trigger.probability / 100,
    )
