"""The digest of a message: what a list shows of it beside its row."""

from __future__ import annotations

import msgspec

from .addresses import Address
from .parse import ParsedMessage


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """What a list shows of a message beside its row."""

    from_: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    attachments: int = 0
    snippet: str = ""


def digest_of(message: ParsedMessage) -> Digest:
    """Give the digest of a parsed message."""
    return Digest(
        from_=message.from_,
        to=message.to,
        cc=message.cc,
        reply_to=message.reply_to,
        attachments=len(message.attachments),
        snippet=message.snippet,
    )
