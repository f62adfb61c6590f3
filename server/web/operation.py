"""What is said of a route in the OpenAPI document: its parameters, its body, its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
BYTES: Final = "application/octet-stream"


class Parameter(NamedTuple):
    """
    A value of a request's query, path or header.

    `type` is one that msgspec makes a JSON Schema of; that of a list may come several times.
    """

    name: str
    description: str
    type: Any
    where: Literal["query", "path", "header"] = "query"


class Body(NamedTuple):
    """A body: JSON of one of these types, or, if the only one is `bytes`, the bytes themselves."""

    types: tuple[type, ...]
    required: bool = True


class Answer(NamedTuple):
    """An answer: of which media types, and for JSON of which type; none of them has no body."""

    description: str
    media_types: tuple[str, ...] = ()
    type: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """
    A route with its method.

    `answers` are by status, what goes well and what does not; those that any route may have, as the
    guard and the login give them, are added by the document. `is_of_server` tells that it is not
    for the users of a mailbox; the others can be asked about one mailbox.
    """

    summary: str
    answers: Mapping[int, Answer]
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    is_of_server: bool = False


def json_of(kind: Any, description: str) -> Answer:
    """Describe an answer that is a JSON object of this type."""
    return Answer(description, (JSON,), kind)


def sentence(description: str) -> Answer:
    """Describe an answer in plain text."""
    return Answer(description, (TEXT,), str)
