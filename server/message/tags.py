"""Tags: what may be one, and those that a message brings along (as Mailpit has them)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from .addresses import parse_addresses
from .headers import HeaderFields
from .model import Envelope

TAG_LENGTH: Final = 100
TAG_LIMIT: Final = 100
"""Tags that a message can have."""

_NO_TAG: Final = re.compile(r"[^A-Za-z0-9 ._@-]+")


def clean_tag(name: str) -> str:
    """Give a name as a tag: what none may have becomes a space; empty if nothing is left."""
    return " ".join(_NO_TAG.sub(" ", name).split())[:TAG_LENGTH].rstrip()


def clean_tags(names: Iterable[str]) -> tuple[str, ...]:
    """Give these names as tags in order, each once whatever its case, `TAG_LIMIT` at most."""
    tags: dict[str, str] = {}
    for name in names:
        if tag := clean_tag(name):
            tags.setdefault(tag.lower(), tag)
        if len(tags) == TAG_LIMIT:
            break
    return tuple(sorted(tags.values(), key=str.lower))


def read_tags(envelope: Envelope, fields: HeaderFields) -> tuple[str, ...]:
    """
    Give the tags that a message brings along.

    Those of its X-Tags field, separated by commas, and what stands behind a plus in the local part
    of an address: of the envelope's recipients and of From, To and Cc. Never raises.
    """
    if not fields.x_tags and not _has_plus(envelope, fields):
        return ()
    return clean_tags([*fields.x_tags.split(","), *_behind_plus(envelope, fields)])


def _has_plus(envelope: Envelope, fields: HeaderFields) -> bool:
    """Say whether there may be a tag in an address; of most messages there isn't."""
    return (
        "+" in fields.from_
        or "+" in fields.to
        or "+" in fields.cc
        or any("+" in recipient.address for recipient in envelope.recipients)
    )


def plus_tags(address: str) -> list[str]:
    """Give what stands behind the pluses in the local part of an address; it may be empty."""
    local, plus, behind = address.partition("@")[0].partition("+")
    return behind.split("+") if local and plus else []


def _behind_plus(envelope: Envelope, fields: HeaderFields) -> Iterator[str]:
    for address in _addresses(envelope, fields):
        yield from plus_tags(address)


def _addresses(envelope: Envelope, fields: HeaderFields) -> Iterator[str]:
    for recipient in envelope.recipients:
        yield recipient.address
    for field in (fields.from_, fields.to, fields.cc):
        if "+" in field:
            yield from (
                found.address for found in parse_addresses(field.encode("utf-8", "replace"))
            )
