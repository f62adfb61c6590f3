"""Extensions: BDAT and what needs it (RFC 3030), and the parameters of DSN (RFC 3461) in full."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..message import xtext

_CHUNK: Final = re.compile(r"([0-9]{1,20})(?: +(LAST))?", re.IGNORECASE)
"""A size has as many digits as SIZE's (RFC 1870, 3)."""
_ADDRESS_TYPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_UTF_8_ADDRESS: Final = re.compile(r"[\x21-\x2a\x2c-\x3c\x3e-\x7e\xa0-\U0010ffff]+")
"""utf-8-addr-xtext and utf-8-addr-unitext (RFC 6533, 3); `\\x{HEX}` stays as it is."""

ENVELOPE_ID_LENGTH: Final = 100
"""Characters of ENVID (RFC 3461, 4.4)."""
ORIGINAL_RECIPIENT_LENGTH: Final = 500
"""Characters of ORCPT (RFC 3461, 4.2)."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What BDAT announces: how many octets follow, and whether they are the message's last."""

    octets: int
    is_last: bool


def parse_chunk(argument: str) -> Chunk | None:
    """Read BDAT's argument, `SIZE [LAST]`; None if it says not how many octets follow."""
    match = _CHUNK.fullmatch(argument)
    return Chunk(int(match[1]), is_last=match[2] is not None) if match else None


def needs_chunks(body: str | None) -> bool:
    """Tell whether a message of this BODY can come by BDAT only (RFC 3030, 3)."""
    return body is not None and body.upper() == "BINARYMIME"


def is_dsn_value(keyword: str, value: str | None) -> bool:
    """Tell whether ENVID or ORCPT is well encoded and short enough; others always are."""
    if value is None:
        return True
    if keyword == "ENVID":
        return len(value) <= ENVELOPE_ID_LENGTH and bool(xtext.decoded(value))
    if keyword == "ORCPT":
        return len(value) <= ORIGINAL_RECIPIENT_LENGTH and _is_original_recipient(value)
    return True


def _is_original_recipient(value: str) -> bool:
    """Tell whether this is an address type, `;` and an address as that type has it."""
    kind, _, address = value.partition(";")
    if not _ADDRESS_TYPE.fullmatch(kind):
        return False
    if kind.lower() == "utf-8":
        return _UTF_8_ADDRESS.fullmatch(address) is not None
    return bool(xtext.decoded(address))
