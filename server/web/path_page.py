"""The path page: each listener with its path drawn, the broken hop marked; the scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bindpost import events
from bindpost.proxy.provider import Hop, ListenerState
from bindpost.proxy.wsa import name_of

from . import listener_objects as objects
from .listening import Listens
from .look import Look
from .nodes import TellsNodes
from .scenario_desk import ScenarioDesk

Status = Literal["fine", "broken", "unknown"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """
    One hop as it is drawn.

    `code_name` is the Winsock name of `code`, `sentence` what event 4007 says with it.
    """

    name: str
    target: str
    status: Status
    detail: str
    code: int | None = None
    code_name: str = ""
    sentence: str = ""
    hint: str = ""
    milliseconds: float | None = None


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """A listener and the steps of its path; `sentence` is what a walk means, empty without one."""

    listener: objects.Listener
    steps: list[Step]
    sentence: str = ""


class PathPage:
    """The handlers; without anybody who knows listeners there are none to draw."""

    def __init__(
        self,
        look: Look,
        desk: Listens | None,
        nodes: TellsNodes | None,
        scenarios: ScenarioDesk,
    ) -> None:
        self._look = look
        self._desk = desk
        self._nodes = nodes
        self._scenarios = scenarios

    def routes(self) -> list[Route]:
        """Give the route."""
        return [Route("/path", self.show)]

    def listeners(self) -> Sequence[objects.Listener]:
        """Give every listener as it is now."""
        return [] if self._desk is None else self._desk.listeners()

    async def show(self, request: Request) -> Response:
        """
        Draw every path: as the listener's state has it, or hop by hop when asked to walk it.

        Below them stand the nodes if there may be several, and the scenarios; for the script there
        is each part alone.
        """
        part = request.query_params.get("part")
        if part == "scenarios":
            return self._look.page("scenarios.html", scenarios=await self._scenarios.scenarios())
        nodes = None if self._nodes is None else self._nodes.nodes()
        if part == "nodes":
            return self._look.page("nodes.html", nodes=nodes)
        if "walk" in request.query_params and self._desk is not None:
            drawings = [walked(path) for path in await self._desk.paths()]
        else:
            drawings = [as_known(listener) for listener in self.listeners()]
        if part == "listeners":
            return self._look.page("listeners.html", drawings=drawings)
        sequence = self._scenarios.sequence
        return self._look.page(
            "path.html",
            page="path",
            drawings=drawings,
            walked="walk" in request.query_params,
            nodes=nodes,
            scenarios=await self._scenarios.scenarios(),
            refusal=self._scenarios.refusal(request),
            sequence=sequence,
        )


def walked(path: objects.Path) -> Drawing:
    """Draw a path as it was walked just now."""
    return Drawing(
        listener=path,
        steps=[_step(hop) for hop in path.hops],
        sentence=path.sentence,
    )


def as_known(listener: objects.Listener) -> Drawing:
    """Draw a path without asking anybody: one step, which is what went wrong or that it works."""
    trouble = listener.last_error
    if listener.state in (ListenerState.LISTENING, ListenerState.BUSY):
        step = Step(name="path", target=listener.via, status="fine", detail="bound through it")
    elif trouble is not None and listener.state is not ListenerState.CLOSED:
        step = Step(
            name=trouble.hop or "bind",
            target=listener.via,
            status="broken",
            detail=trouble.reason,
            code=trouble.code,
            code_name=trouble.name,
            sentence=trouble.sentence,
            hint=trouble.hint,
        )
    else:
        step = Step(name="path", target=listener.via, status="unknown", detail="not bound yet")
    return Drawing(listener=listener, steps=[step])


def _step(hop: Hop) -> Step:
    status: Status = "unknown" if hop.ok is None else "fine" if hop.ok else "broken"
    return Step(
        name=hop.name,
        target=hop.target,
        status=status,
        detail=hop.detail,
        code=hop.code,
        code_name="" if hop.code is None else name_of(hop.code),
        sentence="" if hop.code is None else events.BIND_FAILED.sentence({"wsa_error": hop.code}),
        hint=hop.hint,
        milliseconds=None if hop.ok is None else hop.milliseconds,
    )
