"""What can be wrong with PROXY protocol headers, and what to do; no bind fails of it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

_SEND: Final = "HAProxy must send it: send-proxy or send-proxy-v2"
_SEND_ALSO_FROM_CHECKS: Final = f"{_SEND}, and check-send-proxy for its checks"


class Row(NamedTuple):
    """
    One kind of connection that is closed with a warning.

    `reason` is what the warning says, with places for the names of `FACTS`. `received` says what
    had come until then: nothing, or something.
    """

    key: str
    reason: str
    received: str
    hint: str


FACTS: Final = MappingProxyType(
    {
        "seconds": "5",
        "problem": "it begins like no header, or another fault of it",
        "error": "",
    }
)
"""The names that a row's sentence may have, and what stands for them in the documentation."""

_MATRIX: Final = (
    Row("silent", "it did not come within {seconds} s", "nothing", _SEND_ALSO_FROM_CHECKS),
    Row("late", "it did not come within {seconds} s", "its begin", _SEND),
    Row("none", "{problem}", "something else", _SEND),
    Row("left", "the connection ended early{error}", "nothing", _SEND_ALSO_FROM_CHECKS),
    Row("cut-off", "the connection ended early{error}", "its begin", _SEND),
    Row(
        "untrusted",
        "the sender is not trusted",
        "nothing",
        "name it in proxy_trusted if it is your load balancer",
    ),
)

ROWS: Final = MappingProxyType({row.key: row for row in _MATRIX})
"""All rows by their key."""
