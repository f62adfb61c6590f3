"""Values to and from the JSON texts that a database keeps."""

from __future__ import annotations

import json
from typing import Final, TypeVar

import msgspec

_T = TypeVar("_T")
_ENCODER: Final = msgspec.json.Encoder()


def encode(value: object) -> str:
    """
    Give a value as JSON that is valid Unicode.

    A lone surrogate (an octet that somebody sent outside of any charset) is escaped, and survives.
    """
    try:
        return _ENCODER.encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), ensure_ascii=True)


def decode(text: str, kind: type[_T]) -> _T:
    """Give the value that `encode` took."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError:
        return msgspec.convert(json.loads(text), kind)
