"""The routes of faults on purpose: rules, what has fired, and presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NoReturn, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bindpost.config.fault import Fault
from bindpost.config.fault_change import read_table

from ..faults import Armed, Faults, UnknownFaultError
from ..faults.certificates import can_be_made
from ..faults.presets import Preset, use
from . import fault_objects as objects
from .requests import read_body, read_number, refuse
from .responses import json_response

PEM: Final = "application/x-pem-file"
_T = TypeVar("_T")


class FaultRoutes:
    """The handlers; who may write elsewhere may write here."""

    def __init__(self, faults: Faults, presets: Mapping[str, Preset]) -> None:
        self._faults = faults
        self._presets = presets

    def routes(self) -> list[Route]:
        """Give the routes; the fixed ones first, as no rule has their names."""
        own = "/api/bindpost/v1/faults"
        return [
            Route(own, self.list_rules),
            Route(own, self.add, methods=["POST"]),
            Route(own, self.clear, methods=["DELETE"]),
            Route(f"{own}/log", self.log),
            Route(f"{own}/reset", self.reset, methods=["POST"]),
            Route(f"{own}/authority", self.authority),
            Route(f"{own}/presets", self.presets),
            Route(f"{own}/presets/{{name}}", self.use, methods=["POST"]),
            Route(f"{own}/{{name}}", self.rule),
            Route(f"{own}/{{name}}", self.change, methods=["PUT"]),
            Route(f"{own}/{{name}}", self.remove, methods=["DELETE"]),
        ]

    async def list_rules(self, _: Request) -> Response:
        """Answer with every rule in force."""
        return json_response(objects.Rules([self._told(one) for one in self._faults.rules]))

    async def add(self, request: Request) -> Response:
        """Put a rule into force."""
        fault = _read_fault(await read_body(request))
        try:
            return json_response(self._told(self._faults.add(fault)), 201)
        except ValueError as error:
            refuse(f"Nothing was added: {error}.")

    async def rule(self, request: Request) -> Response:
        """Answer with a rule."""
        try:
            return json_response(self._told(self._faults.get(request.path_params["name"])))
        except UnknownFaultError as error:
            _refuse_unknown(error)

    async def change(self, request: Request) -> Response:
        """Exchange a rule for another in its place."""
        fault = _read_fault(await read_body(request))
        try:
            changed = self._faults.change(request.path_params["name"], fault)
            return json_response(self._told(changed))
        except UnknownFaultError as error:
            _refuse_unknown(error)
        except ValueError as error:
            refuse(f"Nothing was changed: {error}.")

    async def remove(self, request: Request) -> Response:
        """Let a rule be no more."""
        try:
            self._faults.remove(request.path_params["name"])
        except UnknownFaultError as error:
            _refuse_unknown(error)
        return Response(status_code=204)

    async def clear(self, _: Request) -> Response:
        """Remove all rules."""
        return json_response(objects.Removed(self._faults.clear()))

    async def reset(self, _: Request) -> Response:
        """Begin all counts and dice anew, and forget what has fired."""
        self._faults.reset()
        return Response(status_code=204)

    async def log(self, request: Request) -> Response:
        """Answer with what has fired."""
        found = self._faults.log(after=read_number(request, "after", 0))
        return json_response(objects.Log([objects.fired(one) for one in found]))

    async def authority(self, _: Request) -> Response:
        """Answer with the authority that has signed the wrong certificates, as PEM."""
        if not can_be_made():
            refuse("The server can't make certificates: install bindpost[tls].", 404)
        return Response(self._faults.certificates.authority, media_type=PEM)

    async def presets(self, _: Request) -> Response:
        """Answer with every preset."""
        return json_response(
            objects.Presets(
                [
                    objects.Preset(
                        name=one.name, title=one.title, story=one.story, rules=one.faults
                    )
                    for one in self._presets.values()
                ]
            )
        )

    async def use(self, request: Request) -> Response:
        """Put a preset's rules into force, narrowed and changed; all that fit, or none."""
        name = request.path_params["name"]
        if name not in self._presets:
            refuse(f"There is no preset {name!r}; there are {', '.join(self._presets)}.", 404)
        wanted = _decoded(await read_body(request) or b"{}", objects.Use)
        try:
            used = use(self._faults, self._presets[name], wanted.when, wanted.change)
        except ValueError as error:
            refuse(f"Nothing was added: {error}.")
        return json_response(objects.used(used, self._faults), 201)

    def _told(self, armed: Armed) -> objects.Rule:
        return objects.rule(armed, self._faults)


def _read_fault(body: bytes) -> Fault:
    try:
        return read_table(_decoded(body, dict[str, object]))
    except ValueError as error:
        refuse(f"The body is not readable: {error}.")


def _decoded(body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        refuse(f"The body is not readable: {error}.")


def _refuse_unknown(error: UnknownFaultError) -> NoReturn:
    refuse(f"{str(error).capitalize()}.", 404)
