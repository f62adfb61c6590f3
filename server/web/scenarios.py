"""Lab scenarios in the API: what there are, one run or stopped, its progress, its report."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from . import scenario_objects as objects
from .responses import json_response
from .scenario_desk import ScenarioDesk
from .sse import live, read_start, respond
from .stream import RETRY

REPORT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-popups allow-top-navigation-by-user-activation"
)
"""The report brings its own style, and needs nothing else."""


class ScenarioRoutes:
    """The handlers; `stopping` is set when the server goes down, which ends the streams."""

    def __init__(self, desk: ScenarioDesk, *, stopping: asyncio.Event) -> None:
        self._desk = desk
        self._stopping = stopping

    def routes(self) -> list[Route]:
        """Give the routes."""
        path = "/api/bindpost/v1/scenarios"
        return [
            Route(path, self.scenarios),
            Route(f"{path}/stream", self.stream),
            Route(f"{path}/{{name}}", self.scenario),
            Route(f"{path}/{{name}}/run", self.run, methods=["POST"]),
            Route(f"{path}/{{name}}/stop", self.stop, methods=["POST"]),
            Route(f"{path}/{{name}}/report", self.report),
        ]

    async def scenarios(self, request: Request) -> Response:
        """Answer with every scenario in short, and whether this client may run them."""
        found = await self._desk.scenarios()
        return json_response(
            objects.Scenarios(scenarios=found, refusal=self._desk.refusal(request))
        )

    async def scenario(self, request: Request) -> Response:
        """Answer with all that is known of one."""
        return json_response(await self._desk.scenario(request))

    async def run(self, request: Request) -> Response:
        """Start a run; answer with the scenario, which runs."""
        return json_response(await self._desk.run(request), status=202)

    async def stop(self, request: Request) -> Response:
        """End a run; answer with the scenario when everything has ended."""
        return json_response(await self._desk.stop(request))

    async def report(self, request: Request) -> Response:
        """Answer with the report of the last run."""
        text = await self._desk.report(request)
        return HTMLResponse(text, headers={"Content-Security-Policy": REPORT_POLICY})

    async def stream(self, request: Request) -> Response:
        """Answer with what happens in runs behind `Last-Event-ID` or `after`, or from now on."""
        return respond(self._lines(read_start(request)))

    async def _lines(self, after: int | None) -> AsyncIterator[str]:
        yield f"retry: {RETRY}\n\n"
        lab = self._desk.lab
        if lab is None:
            return
        progress = lab.follow(lab.sequence if after is None else after)
        async with aclosing(live(progress, self._stopping)) as news:
            async for told in news:
                yield ": nothing happened\n\n" if told is None else _write(told)


def _write(told: objects.Told) -> str:
    data = msgspec.json.encode(told).decode()
    return f"id: {told.sequence}\nevent: {told.kind}\ndata: {data}\n\n"
