"""Reads what a request brings: ids, query values, bodies; refuses what is wrong with a sentence."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, NoReturn, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request

from ..message.model import ID_LENGTH
from ..store.store import MessageRow, MessageStore, Query

BODY_LIMIT: Final = 5 * 1024 * 1024
"""Bytes of a request's body; Mailpit's limit for JSON."""
LARGEST_NUMBER: Final = 2**53 - 1
"""What JavaScript still counts exactly."""
LATEST: Final = "latest"
"""Stands for the id of the newest message."""

ID_PATTERN: Final = f"[0-9A-Za-z]{{{ID_LENGTH}}}"
_ID: Final = re.compile(ID_PATTERN)
_T = TypeVar("_T")


def refuse(text: str, status: int = 400) -> NoReturn:
    """End the request with a status and a sentence."""
    raise HTTPException(status, text)


async def row_of(store: MessageStore, request: Request) -> MessageRow:
    """Give the message that the path names, by its id or as `latest`; 404 if there is none."""
    message_id = request.path_params["id"]
    if message_id == LATEST:
        rows = await store.find(limit=1)
        return rows[0] if rows else refuse("Message not found", 404)
    row = await store.get(message_id) if _ID.fullmatch(message_id) else None
    return row or refuse_unknown()


async def bytes_of(store: MessageStore, row: MessageRow) -> bytes:
    """Give the bytes of a message; 404 if it has gone meanwhile."""
    raw = await store.raw(row.id)
    return refuse_unknown() if raw is None else raw


def refuse_unknown() -> NoReturn:
    """End the request as a path that doesn't exist does."""
    raise HTTPException(404)


def read_number(request: Request, name: str, default: int, *, maximum: int = LARGEST_NUMBER) -> int:
    """Give a whole number of the query, 0 or more; 400 for anything else."""
    number = read_optional_number(request, name, maximum=maximum)
    return default if number is None else number


def read_optional_number(
    request: Request, name: str, *, maximum: int = LARGEST_NUMBER
) -> int | None:
    """Give a whole number of the query, 0 or more, None if it is absent; 400 for anything else."""
    text = request.query_params.get(name)
    if text is None:
        return None
    number = whole_number(text)
    if number is None or number > maximum:
        refuse(f"{name}={text[:40]!r} is not a whole number from 0 to {maximum}")
    return number


def read_query(request: Request) -> Query:
    """Give which messages the query asks for, by the names that our own API has."""
    given = request.query_params
    return Query(
        recipient=given.get("recipient"),
        sender=given.get("sender"),
        subject=given.get("subject"),
        after=read_optional_number(request, "after"),
        before=read_optional_number(request, "before"),
    )


def whole_number(text: str) -> int | None:
    """Give a number from 0 to `LARGEST_NUMBER`; None for a text that is none."""
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_NUMBER))
    return int(text) if is_number and int(text) <= LARGEST_NUMBER else None


def read_index(request: Request, name: str) -> int:
    """Give a number of the path; 404 for what is none."""
    number = whole_number(request.path_params[name])
    return refuse_unknown() if number is None else number


def read_seconds(request: Request, name: str, default: float, *, maximum: float) -> float:
    """Give a number of seconds of the query; 400 unless it is from 0 to `maximum`."""
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= maximum:
        refuse(f"{name}={text[:40]!r} is not a number of seconds from 0 to {maximum:g}")
    return seconds


def read_flag(request: Request, name: str) -> bool:
    """Give whether a flag of the query is set; 400 for anything but true, false, 1 and 0."""
    text = request.query_params.get(name, "false")
    if text not in ("true", "1", "false", "0"):
        refuse(f"{name}={text[:40]!r} is neither true nor false")
    return text in ("true", "1")


async def read_body(request: Request, *, limit: int = BODY_LIMIT) -> bytes:
    """Give the body; 413 when it is larger than `limit`, however it is sent."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            refuse(f"The body is larger than {limit} bytes.", 413)
    return bytes(body)


def decode_object(body: bytes, kind: type[_T], *, verbatim: Collection[str] = ()) -> _T:
    """
    Decode a JSON object, its keys in any case at every level, as Mailpit takes them.

    `kind` has its fields in lower case. Keys inside the values of `verbatim` stay as they are.
    Raises `ValueError` with what is wrong.
    """
    try:
        found = msgspec.json.decode(body)
        if not isinstance(found, dict):
            raise ValueError("it is JSON, but no object")
        return msgspec.convert(_in_lower_case(found, verbatim), kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _in_lower_case(value: object, verbatim: Collection[str]) -> object:
    if isinstance(value, list):
        return [_in_lower_case(each, verbatim) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key.lower(): inner if key.lower() in verbatim else _in_lower_case(inner, verbatim)
        for key, inner in value.items()
    }
