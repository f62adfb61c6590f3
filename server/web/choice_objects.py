"""The choices of messages that bodies make, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from .requests import LARGEST_NUMBER

_Cursor = Annotated[int, Meta(ge=0, le=LARGEST_NUMBER)]
_Search = Annotated[str, Meta(pattern=r"[0-9A-Za-z_]|[^\x00-\xbf\u1680\u2000-\u206f\u3000]")]
"""Something to search for, and not only spaces; `\\w` is not the same in every dialect."""


class DeleteThese(msgspec.Struct, forbid_unknown_fields=True):
    """Messages to delete, by their ids."""

    ids: list[str]
    all: Annotated[bool, Meta(extra_json_schema={"const": False})] = False


class DeleteAll(msgspec.Struct, forbid_unknown_fields=True):
    """All messages are to be deleted."""

    all: Annotated[bool, Meta(extra_json_schema={"const": True})]
    ids: None = None
    before: _Cursor | None = None
    besides: list[str] = msgspec.field(name="except", default_factory=list)


class MarkThese(msgspec.Struct, forbid_unknown_fields=True):
    """Messages to mark, by their ids."""

    read: bool
    ids: list[str]


class MarkAll(msgspec.Struct, forbid_unknown_fields=True):
    """All messages are to be marked."""

    read: bool
    all: Annotated[bool, Meta(extra_json_schema={"const": True})]
    before: _Cursor | None = None
    besides: list[str] = msgspec.field(name="except", default_factory=list)


class DeleteFound(msgspec.Struct, forbid_unknown_fields=True):
    """What a search finds is to be deleted."""

    search: _Search
    before: _Cursor | None = None
    besides: list[str] = msgspec.field(name="except", default_factory=list)


class MarkFound(DeleteFound, forbid_unknown_fields=True, kw_only=True):
    """What a search finds is to be marked."""

    read: bool
