"""From a symptom to the error of event 4007: 10050, the underlying error in its words."""

from __future__ import annotations

from typing import Final

import socks  # type: ignore[import-untyped]  # PySocks has no types

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError

from .. import wsa
from ..calling import NOTHING
from ..provider import Finding
from .matrix import LOCAL, Row, row_for
from .symptom import Sign, Symptom

SHOWN: Final = 60
"""Bytes of what was heard that are shown."""

_REPLIES: Final[dict[int, dict[int, str]]] = {4: socks.SOCKS4_ERRORS, 5: socks.SOCKS5_ERRORS}


def explain(symptom: Symptom, endpoint: Endpoint, path: str) -> BindError:
    """Give the error of a symptom; `path` is the proxy's URL, redacted."""
    row = row_for(symptom)
    return BindError(
        _winsock(row, symptom) if row.event == LOCAL else row.event,
        endpoint=str(endpoint),
        path=path,
        hop=symptom.hop,
        detail=_detail(row, symptom),
        hint=row.hint,
    )


def find(symptom: Symptom) -> Finding:
    """Give what a self-test has found: a fault, or that it couldn't be made."""
    row = row_for(symptom)
    ok = False if row.event == NOTHING else None
    return Finding(ok, _detail(row, symptom), row.hint)


def _detail(row: Row, symptom: Symptom) -> str:
    winsock = _winsock(row, symptom)
    return f"{row.detail.format(**_fields(symptom))} ({winsock} {wsa.name_of(winsock)})"


def _winsock(row: Row, symptom: Symptom) -> int:
    return _own_code(symptom) or row.winsock


def _own_code(symptom: Symptom) -> int | None:
    """Give the operating system's own code, if there was one."""
    own = symptom.sign in (Sign.OS_ERROR, Sign.UNRESOLVED)
    return symptom.code if own else None


def _fields(symptom: Symptom) -> dict[str, object]:
    """Give what a row's `detail` may name."""
    code = symptom.code or 0
    text = symptom.text or symptom.sign
    if symptom.sign is Sign.REPLY:
        text = _REPLIES[symptom.version].get(code, "which has no meaning")
    return {
        "target": symptom.target,
        "hop": symptom.hop,
        "version": symptom.version,
        "code": f"0x{code:02X}",
        "text": text,
        "heard": shown(symptom.heard),
        "wanted": symptom.wanted or "any",
        "bound": symptom.bound,
    }


def shown(heard: bytes) -> str:
    """Give bytes from the network in a form that a log line can hold."""
    more = "..." if len(heard) > SHOWN else ""
    return repr(heard[:SHOWN].decode("ascii", "backslashreplace")) + more
