"""The page of a lab scenario: its story, its phases drawn, run and watched, its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ..findings.drawing import Drawing, draw
from ..findings.result import PhaseResult, ScenarioResult
from . import scenario_objects as objects
from .look import Look
from .scenario_desk import ScenarioDesk

Status = Literal["idle", "waiting", "running", "held", "failed", "stopped"]


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """
    A phase as the page shows it: what it is, how it stands, what was seen of it, and when.

    `seen` is None for one that has not begun; `told` is what happened in it, in order.
    """

    phase: objects.Phase
    status: Status
    seen: PhaseResult | None
    drawing: Drawing
    told: Sequence[objects.Told]


class ScenarioPage:
    """The handlers; what they show is made anew for each request, also while a run goes on."""

    def __init__(self, look: Look, desk: ScenarioDesk) -> None:
        self._look = look
        self._desk = desk

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("/path/{name}", self.show),
            Route("/path/{name}/run", self.run, methods=["POST"]),
            Route("/path/{name}/stop", self.stop, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """Show a scenario; for its script only what changes."""
        sequence = self._desk.sequence
        scenario = await self._desk.scenario(request)
        part = request.query_params.get("part") == "scenario"
        return self._look.page(
            "run.html" if part else "scenario.html",
            page="path",
            scenario=scenario,
            scenes=[_scene(scenario, phase) for phase in scenario.plan],
            refusal=self._desk.refusal(request),
            sequence=sequence,
        )

    async def run(self, request: Request) -> Response:
        """Start a run for a form, and lead back to the page, which shows it."""
        scenario = await self._desk.run(request)
        return RedirectResponse(f"/path/{scenario.name}", 303)

    async def stop(self, request: Request) -> Response:
        """End a run for a form, likewise."""
        scenario = await self._desk.stop(request)
        return RedirectResponse(f"/path/{scenario.name}", 303)


def _scene(scenario: objects.WholeScenario, phase: objects.Phase) -> Scene:
    result = scenario.result
    phases = () if result is None else result.phases
    seen = next((one for one in phases if one.name == phase.name), None)
    return Scene(
        phase=phase,
        status=_status(result, seen),
        seen=seen,
        drawing=draw(seen or _unseen(phase), {} if result is None else result.machines),
        told=[told for told in scenario.progress if told.phase == phase.name],
    )


def _status(result: ScenarioResult | None, seen: PhaseResult | None) -> Status:
    if result is None:
        return "idle"
    runs = result.outcome == "running"
    if seen is None:
        return "waiting" if runs else "idle"
    if seen.checks or seen.trouble:
        return "held" if seen.held else "failed"
    return "running" if runs else "stopped"


def _unseen(phase: objects.Phase) -> PhaseResult:
    """Give a phase that has not begun, for its drawing."""
    return PhaseResult(
        name=phase.name,
        title=phase.title,
        kind=phase.kind,
        words=phase.words,
        folder="",
        servers=phase.servers,
    )
