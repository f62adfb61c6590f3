"""Jim, MailHog's chaos monkey, as a face of the faults on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bindpost.config.fault import Fault, Stage

from ..faults import Faults
from .requests import read_body, refuse, refuse_unknown
from .responses import json_response

_ROUNDS: Final[tuple[Stage, ...]] = ("HELO", "EHLO", "MAIL", "RCPT", "DATA", "end-of-data", "RSET")
"""Where Jim may disconnect: at each command."""


class Jim(msgspec.Struct, frozen=True, rename="pascal"):
    """Chances from 0 to 1, and bytes in a second; the defaults are MailHog's own."""

    disconnect_chance: float = 0.005
    accept_chance: float = 0.99
    link_speed_affect: float = 0.1
    link_speed_min: float = 1024
    link_speed_max: float = 10240
    reject_sender_chance: float = 0.05
    reject_recipient_chance: float = 0.05
    reject_auth_chance: float = 0.05

    @property
    def is_possible(self) -> bool:
        """Whether each chance is one."""
        chances = [
            value for name, value in msgspec.structs.asdict(self).items() if "speed_m" not in name
        ]
        speeds = (self.link_speed_min, self.link_speed_max)
        return all(0 <= chance <= 1 for chance in chances) and all(
            0 <= speed <= 1e12 for speed in speeds
        )


class MailHogJim:
    """The handlers; Jim is away until he is invited by a POST."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._jim: Jim | None = None

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("/api/v2/jim", self.jim),
            Route("/api/v2/jim", self.invite, methods=["POST"]),
            Route("/api/v2/jim", self.change, methods=["PUT"]),
            Route("/api/v2/jim", self.dismiss, methods=["DELETE"]),
        ]

    async def jim(self, _: Request) -> Response:
        """Answer with what Jim does; 404 while he is away."""
        return json_response(self._jim or refuse_unknown())

    async def invite(self, request: Request) -> Response:
        """Let Jim in; 400 if he is there. An unreadable body is none, as in MailHog."""
        if self._jim is not None:
            refuse("Jim is here already.")
        body = await read_body(request)
        try:
            wanted = msgspec.json.decode(body, type=Jim)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            wanted = Jim()
        self._let_in(wanted if wanted.is_possible else Jim())
        return Response(status_code=201)

    async def change(self, request: Request) -> Response:
        """Change what Jim does; 404 while he is away."""
        if self._jim is None:
            refuse_unknown()
        try:
            wanted = msgspec.json.decode(await read_body(request), type=Jim)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            refuse(f"The body is not readable: {error}.")
        if not wanted.is_possible:
            refuse("A chance is from 0 to 1, and a speed not negative.")
        self._let_in(wanted)
        return Response()

    async def dismiss(self, _: Request) -> Response:
        """Send Jim away; 404 while he is."""
        if self._jim is None:
            refuse_unknown()
        self._jim = None
        self._faults.clear(origin="jim")
        return Response()

    def _let_in(self, jim: Jim) -> None:
        self._jim = jim
        self._faults.clear(origin="jim")
        for fault in _rules(jim):
            if fault.probability:
                self._faults.add(fault, origin="jim")


def _rules(jim: Jim) -> Iterator[Fault]:
    """Give the rules that come nearest to what MailHog does."""
    yield Fault(name="jim-accept", stage="accept", action="drop", probability=1 - jim.accept_chance)
    for stage in _ROUNDS:
        yield Fault(
            name=f"jim-disconnect-{stage}",
            stage=stage,
            action="drop",
            probability=jim.disconnect_chance,
        )
    yield Fault(
        name="jim-linkspeed",
        stage="in-data",
        action="slow",
        bytes=max(1, round((jim.link_speed_min + jim.link_speed_max) / 2)),
        seconds=1.0,
        probability=jim.link_speed_affect,
    )
    refusals: tuple[tuple[str, Stage, int, float], ...] = (
        ("sender", "MAIL", 550, jim.reject_sender_chance),
        ("recipient", "RCPT", 550, jim.reject_recipient_chance),
        ("auth", "AUTH", 535, jim.reject_auth_chance),
    )
    for what, stage, code, chance in refusals:
        yield Fault(
            name=f"jim-{what}",
            stage=stage,
            action="reply",
            code=code,
            text=f"Invalid {what}",
            probability=chance,
        )
