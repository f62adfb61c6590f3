"""
Cuts the network between a store and its PostgreSQL; run in a network namespace of its own.

Its arguments are initdb, pg_ctl and the store's patience in seconds. Prints as JSON how many
seconds it took until a write and a question failed, and until both were possible again.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable
from pathlib import Path

from bindpost.errors import StoreAwayError
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.store.postgres import PostgresStore
from bindpost.testing.postgres import PostgresServer

from .own_network import loopback


def message() -> Message:
    """Make a message."""
    return Message(
        id=new_id(),
        received=utc_now(),
        envelope=Envelope("from@example.com", (Recipient("to@example.com"),)),
        session=SessionFacts("one", utc_now(), "127.0.0.1:25", "direct:", "plain"),
        raw=b"Subject: x\r\n\r\n",
    )


async def failing(work: Awaitable[object]) -> float:
    """Give the seconds until a call fails because the database is away."""
    began = time.monotonic()
    try:
        await work
    except StoreAwayError:
        return time.monotonic() - began
    sys.exit("it did not fail")


async def insisting(store: PostgresStore) -> float:
    """Give the seconds until a message is kept and found again."""
    began = time.monotonic()
    while True:
        try:
            row = await store.add(message(), ())
            assert (await store.find())[0] == row
        except StoreAwayError:
            continue
        return time.monotonic() - began


async def main(initdb: str, pg_ctl: str, patience: str) -> None:
    """Cut and mend it."""
    loopback(up=True)
    server = PostgresServer(Path(initdb), Path(pg_ctl))
    try:
        with server.new_schema() as url:
            store = await PostgresStore.open(url, patience=float(patience))
            await store.add(message(), ())
            loopback(up=False)
            write, read = await asyncio.gather(
                failing(store.add(message(), ())), failing(store.find())
            )
            loopback(up=True)
            back = await insisting(store)
            await store.close()
    finally:
        server.close()
    sys.stdout.write(json.dumps({"write": write, "read": read, "back": back}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
