"""The OpenAPI document of bindpost's own API, made from the table of its operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .operation import BYTES, JSON, Answer, Body, Operation, Parameter, sentence
from .operations import OPERATIONS, PREFIX
from .selecting import PARAMETER

VERSION: Final = "3.1.0"
SCHEMAS: Final = "#/components/schemas/{name}"
COMMON: Final[Mapping[int, Answer]] = {
    400: sentence("A parameter that the route doesn't have, or several mailboxes are named."),
    401: sentence("No credentials, or none that are known; only where the server wants a login."),
    403: sentence("Another host or site asks, or the login is for another mailbox, or only one."),
    405: sentence("The path has no such method; an empty part of it makes it another path."),
    429: sentence("Too many failed logins from this address."),
    500: sentence("A fault of bindpost's; its log has the details."),
    503: sentence("The message store failed, or the server is busy or going down."),
}
"""Answers that every route may give."""

IN_MAILBOX: Final[Mapping[int, Answer]] = {
    404: sentence("There is no such mailbox."),
}
"""Answers that every route may give that can be asked about one mailbox."""
_MAILBOX: Final = {
    "name": PARAMETER,
    "in": "query",
    "description": "The mailbox that is meant; without it, the whole inbox.",
    "required": False,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"},
}
_LOGINS: Final = {
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_Object = dict[str, Any]  # Any: JSON


def routes(version: str) -> list[Route]:
    """Give the route that answers with the document; `version` is bindpost's."""
    made: list[bytes] = []

    async def openapi(_: Request) -> Response:
        if not made:
            made.append(msgspec.json.encode(document(version)))
        return Response(made[0], media_type=JSON)

    return [Route(f"{PREFIX}/openapi.json", openapi)]


def document(version: str, operations: Mapping[str, Operation] = OPERATIONS) -> _Object:
    """Make the document."""
    schemas, components = _schemas(operations.values())
    paths: dict[str, _Object] = {}
    for key, operation in operations.items():
        method, _, path = key.partition(" ")
        described = _operation(operation, schemas) | {"operationId": _name(method, path)}
        paths.setdefault(path, {})[method.lower()] = described
    return {
        "openapi": VERSION,
        "info": {
            "title": "bindpost",
            "version": version,
            "description": "bindpost's own API; docs/api.md tells what each key means.",
        },
        "servers": [{"url": "/"}],
        "security": [{}, *({name: []} for name in _LOGINS)],
        "paths": paths,
        "components": {
            "schemas": components,
            "parameters": {PARAMETER: _MAILBOX},
            "responses": {f"{n}": _answer(answer, schemas) for n, answer in COMMON.items()},
            "securitySchemes": _LOGINS,
        },
    }


class _Schemas:
    """Gives the JSON Schema of a type."""

    def __init__(self, types: list[Any], schemas: Iterable[_Object]) -> None:
        self._found = list(zip(types, schemas, strict=True))

    def __getitem__(self, wanted: Any) -> _Object:
        return next(schema for kind, schema in self._found if kind is wanted)


def _schemas(operations: Iterable[Operation]) -> tuple[_Schemas, _Object]:
    """Make the schemas of all types, and the components that they refer to."""
    types: list[Any] = [str]
    for operation in operations:
        types += [parameter.type for parameter in operation.parameters]
        types += operation.body.types if operation.body else ()
        types += [answer.type for answer in operation.answers.values() if answer.media_types]
    made, components = msgspec.json.schema_components(types, ref_template=SCHEMAS)
    return _Schemas(types, made), components


def _operation(operation: Operation, schemas: _Schemas) -> _Object:
    answers = {f"{status}": _answer(one, schemas) for status, one in operation.answers.items()}
    common: _Object = {
        f"{status}": {"$ref": f"#/components/responses/{status}"} for status in COMMON
    }
    parameters: list[_Object] = [_parameter(one, schemas) for one in operation.parameters]
    if not operation.is_of_server:
        common |= {f"{n}": _answer(answer, schemas) for n, answer in IN_MAILBOX.items()}
        parameters.append({"$ref": f"#/components/parameters/{PARAMETER}"})
    described: _Object = {"summary": operation.summary, "responses": common | answers}
    if parameters:
        described["parameters"] = parameters
    if operation.body:
        described["requestBody"] = _body(operation.body, schemas)
    return described


def _parameter(parameter: Parameter, schemas: _Schemas) -> _Object:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        "required": parameter.where == "path",
        "schema": schemas[parameter.type],
    }


def _body(body: Body, schemas: _Schemas) -> _Object:
    if body.types == (bytes,):  # described by their media type, as in an answer
        return {"required": body.required, "content": {BYTES: {}}}
    choices = [schemas[kind] for kind in body.types]
    schema = choices[0] if len(choices) == 1 else {"anyOf": choices}
    return {"required": body.required, "content": {JSON: {"schema": schema}}}


def _answer(answer: Answer, schemas: _Schemas) -> _Object:
    described: _Object = {"description": answer.description}
    if answer.media_types:
        # Bytes are described by their media type alone; msgspec's schema is that of Base64.
        schema = {} if answer.type is bytes else {"schema": schemas[answer.type]}
        described["content"] = dict.fromkeys(answer.media_types, schema)
    return described


def _name(method: str, path: str) -> str:
    """Give an operation's name for code generators: `get_messages_id_raw`."""
    words = re.findall(r"[A-Za-z0-9]+", path.removeprefix(PREFIX))
    return "_".join([method.lower(), *words])
