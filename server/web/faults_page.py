"""The page of faults: the rules in force, the presets to add, and what has fired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bindpost.config.fault import When

from ..faults import Faults, UnknownFaultError
from ..faults.presets import LeftOut, Preset, fit, use
from . import fault_objects as objects
from .look import Look
from .requests import read_body, refuse

SHOWN: Final = 100
"""Firings that the page shows, the newest."""
PAGE: Final = "/faults"


class FaultsPage:
    """The handlers; everything on the page is a form, so it works without scripts."""

    def __init__(self, look: Look, faults: Faults, presets: Mapping[str, Preset]) -> None:
        self._look = look
        self._faults = faults
        self._presets = presets

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route(PAGE, self.show),
            Route(f"{PAGE}/use", self.use, methods=["POST"]),
            Route(f"{PAGE}/remove", self.remove, methods=["POST"]),
            Route(f"{PAGE}/reset", self.reset, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """
        Show the rules, the presets, and what has fired, newest first.

        With `used` and `recipient`, also which rules were left out of that preset.
        """
        return self._look.page(
            "faults.html",
            page="faults",
            rules=[objects.rule(one, self._faults) for one in self._faults.rules],
            presets=list(self._presets.values()),
            left_out=self._left_out(request.query_params),
            fired=[objects.fired(one) for one in reversed(self._faults.log()[-SHOWN:])],
        )

    async def use(self, request: Request) -> Response:
        """Add a preset, for one recipient if one is named, and show the page again."""
        form = await _form(request)
        preset = self._presets.get(form.get("preset", ""))
        if preset is None:
            refuse("There is no such preset.", 404)
        scope = _scope_of(form)
        try:
            use(self._faults, preset, scope)
        except ValueError as error:
            refuse(f"Nothing was added: {error}.")
        told = urlencode({"used": preset.name, "recipient": scope.recipient})
        return RedirectResponse(f"{PAGE}?{told}", 303)

    def _left_out(self, asked: Mapping[str, str]) -> list[LeftOut]:
        """Give the rules that were left out of the preset that is said to have been used."""
        preset = self._presets.get(asked.get("used", ""))
        try:
            return fit(preset, _scope_of(asked)).left_out if preset is not None else []
        except ValueError:  # none fits, so it can't have been
            return []

    async def remove(self, request: Request) -> Response:
        """Remove a rule, and show the page again; one that has gone meanwhile is none."""
        try:
            self._faults.remove((await _form(request)).get("name", ""))
        except UnknownFaultError as error:
            refuse(f"Nothing was removed: {error}.", 404)
        return _back()

    async def reset(self, _: Request) -> Response:
        """Begin all counts anew, forget what has fired, and show the page again."""
        self._faults.reset()
        return _back()


def _scope_of(said: Mapping[str, str]) -> When:
    return When(recipient=said.get("recipient", "").strip())


async def _form(request: Request) -> dict[str, str]:
    body = (await read_body(request, limit=8192)).decode("utf-8", "replace")
    return {name: values[-1] for name, values in parse_qs(body).items()}


def _back() -> Response:
    return RedirectResponse(PAGE, 303)
