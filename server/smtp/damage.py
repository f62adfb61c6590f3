"""What faults make of replies and messages: pure functions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from bindpost.config.fault import ENDS, Fault, code_of, seconds_of

from .reply import Reply

_TURNED: Final = bytes(octet if octet in b"\r\n" else octet ^ 0x80 for octet in range(256))
SHARE: Final = 100
"""Of so many octets of a body about one is changed."""


REFUSALS: Final = ("reply", "greylist", "rate-limit")
"""Actions that have words of their own, and refuse with a code from 400 on."""


def is_carried_out(struck: tuple[Fault, ...]) -> bool:
    """Say whether a command is carried out under what strikes it."""
    return not any(
        one.action in ENDS or (one.action in REFUSALS and code_of(one) >= 400) for one in struck
    )


def is_the_end(struck: tuple[Fault, ...]) -> bool:
    """Say whether a session ends by what strikes it."""
    return any(
        one.action in ENDS or (one.action in REFUSALS and code_of(one) == 421) for one in struck
    )


def reply_of(fault: Fault) -> Reply:
    """Give the reply that a rule has words for; the enhanced code stands on each line."""
    lines = fault.text.splitlines() or [""]
    if fault.enhanced:
        lines = [f"{fault.enhanced} {line}" for line in lines]
    return Reply(code_of(fault), tuple(lines))


def with_keywords(reply: Reply, struck: tuple[Fault, ...]) -> Reply:
    """Hide and invent keywords in a reply to EHLO; other replies stay as they are."""
    hidden = {fault.keyword.strip().upper() for fault in struck if fault.action == "hide"}
    invented = [fault.keyword for fault in struck if fault.action == "invent"]
    if not (hidden or invented) or reply.code != 250:
        return reply
    first, *keywords = reply.lines
    left = [line for line in keywords if line.partition(" ")[0].upper() not in hidden]
    return Reply(reply.code, (first, *left, *invented))


def pieces_of(data: bytes, fault: Fault) -> Iterator[tuple[bytes, float]]:
    """Give the bytes of a reply as a rule has them sent: each piece, and the pause after it."""
    pause = seconds_of(fault)
    if fault.action == "slow":
        step = fault.bytes or 1
        for start in range(0, len(data), step):
            yield data[start : start + step], pause
    elif fault.action == "split":
        where = fault.bytes or 1
        yield data[:where], pause
        if rest := data[where:]:
            yield rest, 0.0
    elif fault.action == "double":
        yield data + data, 0.0
    else:
        yield data.translate(_TURNED), 0.0


def corrupted(raw: bytes, seed: int) -> bytes:
    """
    Change about one octet in `SHARE` of a message's body, but no line end; at least one.

    The same message and seed give the same damage.
    """
    dice = random.Random(seed)  # noqa: S311 - to be foreseen is the point
    head, gap, body = raw.partition(b"\r\n\r\n")
    if not gap:
        head, body = b"", raw
    damaged = bytearray(body)
    places = [place for place, octet in enumerate(body) if octet not in b"\r\n"]
    for place in dice.sample(places, min(len(places), len(places) // SHARE + 1)):
        damaged[place] = ord("?") if damaged[place] != ord("?") else ord("!")
    return head + gap + bytes(damaged)
