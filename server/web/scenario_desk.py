"""Where the API and the pages ask for scenarios: who may, which, and what is answered else."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Protocol

from starlette.requests import Request

from . import scenario_objects as objects
from .requests import refuse
from .run_rule import RunRule


class UnknownScenarioError(LookupError):
    """There is no scenario, phase or report of this name; `str()` is a sentence."""


class ScenarioConflictError(ValueError):
    """What was asked for can't be done as things are; `str()` is a sentence."""


class RunsScenarios(Protocol):
    """
    What knows the scenarios and runs them, one at a time.

    Each method with a name raises `UnknownScenarioError` for one that no scenario has; names are
    looked up and never are paths.
    """

    @property
    def sequence(self) -> int:
        """The cursor of the last that was told."""
        ...

    async def scenarios(self) -> list[objects.Scenario]:
        """Give all."""
        ...

    async def scenario(self, name: str) -> objects.WholeScenario:
        """Give one, with all that is known of its last run."""
        ...

    async def run(self, name: str, *, only: str | None, client: str) -> objects.Scenario:
        """
        Start a run, of all phases or of one and those that it goes on from.

        `client` is who asked. Raises `UnknownScenarioError` for an unknown phase, too, and
        `ScenarioConflictError` when a scenario runs already or this one can't be run here.
        """
        ...

    async def stop(self, name: str) -> objects.Scenario:
        """End a run; raises `ScenarioConflictError` if it doesn't run."""
        ...

    async def report(self, name: str) -> str:
        """Give the report of the last run as HTML; raises `UnknownScenarioError` without one."""
        ...

    def follow(self, after: int) -> AsyncGenerator[objects.Told, None]:
        """
        Give what is remembered behind a cursor, then what happens, without an end.

        A cursor that has never been is one of another server: then all that is remembered comes.
        """
        ...


class ScenarioDesk:
    """Answers for API and pages alike; without anybody who knows scenarios there are none."""

    def __init__(self, lab: RunsScenarios | None, rule: RunRule) -> None:
        self.lab = lab
        self._rule = rule

    @property
    def sequence(self) -> int:
        """The cursor of the last that was told; read before what is shown, nothing is missed."""
        return 0 if self.lab is None else self.lab.sequence

    def refusal(self, request: Request) -> str:
        """Say why this client may run no scenario; empty if it may."""
        return self._rule.refusal(request)

    async def scenarios(self) -> list[objects.Scenario]:
        """Give every scenario."""
        return [] if self.lab is None else await self.lab.scenarios()

    async def scenario(self, request: Request) -> objects.WholeScenario:
        """Give the scenario that the path names; 404 if there is none."""
        with _answered(request) as name:
            return await self._known(name).scenario(name)

    async def run(self, request: Request) -> objects.Scenario:
        """Start a run of it; 403, 404 or 409 if that is not to be."""
        if refusal := self.refusal(request):
            refuse(refusal, 403)
        client = "unix" if request.client is None else request.client.host
        with _answered(request) as name:
            only = request.query_params.get("only")
            return await self._known(name).run(name, only=only, client=client)

    async def stop(self, request: Request) -> objects.Scenario:
        """End its run; 403, 404 or 409 if that is not to be."""
        if refusal := self.refusal(request):
            refuse(refusal, 403)
        with _answered(request) as name:
            return await self._known(name).stop(name)

    async def report(self, request: Request) -> str:
        """Give the report of its last run; 404 if there is none."""
        with _answered(request) as name:
            return await self._known(name).report(name)

    def _known(self, name: str) -> RunsScenarios:
        if self.lab is None:
            raise UnknownScenarioError(f"There is no scenario {name!r}.")
        return self.lab


@contextmanager
def _answered(request: Request) -> Iterator[str]:
    """Give the name that the path has, and turn errors into answers."""
    try:
        yield request.path_params["name"][:200]
    except UnknownScenarioError as error:
        refuse(str(error), 404)
    except ScenarioConflictError as error:
        refuse(str(error), 409)
