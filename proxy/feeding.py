"""Gives data that has come to a protocol of either of asyncio's kinds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast


def feed(receiver: Callable[[], asyncio.BaseProtocol | None], data: bytes) -> None:
    """
    Give data to a protocol, to a `BufferedProtocol` in pieces of the size of its buffers.

    `receiver` gives the protocol before each piece, for it may be exchanged in between; None says
    that nobody wants the rest.
    """
    view, at = memoryview(data), 0
    while at < len(data):
        protocol = receiver()
        if protocol is None:
            return
        if not isinstance(protocol, asyncio.BufferedProtocol):
            cast("asyncio.Protocol", protocol).data_received(data[at:])
            return
        buffer = memoryview(protocol.get_buffer(len(data) - at)).cast("B")
        if not buffer:
            raise RuntimeError("get_buffer() returned an empty buffer")
        piece = view[at : at + len(buffer)]
        buffer[: len(piece)] = piece
        protocol.buffer_updated(len(piece))
        at += len(piece)
