"""Waiting for a message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from anyio import wait_all_tasks_blocked
from starlette.applications import Starlette
from starlette.types import Message, Scope

from bindpost.server.store import open_store
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.rules import matches
from bindpost.server.store.store import MessageRow, Query
from bindpost.server.web.waiting import first_match

Deliver = Callable[..., Awaitable[MessageRow]]
WAIT = "/api/bindpost/v1/wait"


async def test_a_message_that_is_there_answers_at_once(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """A wait for what has come already gives the newest such message."""
    await deliver()
    newest = await deliver()

    response = await http.get(WAIT, params={"recipient": "BOB@example.com", "timeout": 0})

    assert response.status_code == 200
    assert response.json()["id"] == newest.id


async def test_a_message_that_comes_later_answers(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """A wait that has begun ends with the message that matches, not with another."""
    waiter = asyncio.create_task(http.get(WAIT, params={"subject": "order", "timeout": 30}))
    await wait_all_tasks_blocked()

    await deliver(b"Subject: Other\r\n\r\n")
    wanted = await deliver(b"Subject: Your Order\r\n\r\nThanks.")

    message = (await waiter).json()
    assert message["id"] == wanted.id
    assert message["content"]["text"] == "Thanks."


async def test_nothing_in_time_is_204(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """A wait that ends without a message gives 204 and no body."""
    await deliver()

    response = await http.get(WAIT, params={"recipient": "nobody@example.com", "timeout": 0.01})

    assert (response.status_code, response.content) == (204, b"")


async def test_a_cursor_leaves_out_what_came_before(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """A message up to the cursor doesn't count."""
    row = await deliver()

    response = await http.get(WAIT, params={"after": row.cursor, "timeout": 0.01})

    assert response.status_code == 204


async def test_going_from_cursor_to_cursor_misses_none(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """Behind a cursor the oldest message comes first, so that one by one all are met."""
    rows = [await deliver() for _ in range(3)]
    met: list[str] = []
    cursor = 0
    for _ in rows:
        message = (await http.get(WAIT, params={"after": cursor, "timeout": 5})).json()
        met.append(message["id"])
        cursor = message["cursor"]

    assert met == [row.id for row in rows]


async def test_a_message_answers_a_cursor_later(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """A wait behind a cursor ends with the message that comes after it."""
    row = await deliver()
    waiter = asyncio.create_task(http.get(WAIT, params={"after": row.cursor, "timeout": 30}))
    await wait_all_tasks_blocked()

    later = await deliver()

    assert (await waiter).json()["id"] == later.id


async def test_fifty_waiters_get_each_their_own(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """Many waits at once end each with the message to its own recipient."""
    names = [f"user{number}@example.com" for number in range(50)]
    waiters = [
        asyncio.create_task(http.get(WAIT, params={"recipient": name, "timeout": 30}))
        for name in names
    ]
    await wait_all_tasks_blocked()

    for name in reversed(names):
        await deliver(to=(name,))

    answers = [(await waiter).json() for waiter in waiters]
    assert [answer["envelope"]["recipients"][0]["address"] for answer in answers] == names


async def test_a_wait_ends_when_the_server_goes_down(
    http: httpx.AsyncClient, app: Starlette
) -> None:
    """Waits are answered with 503 when the server is going down."""
    waiter = asyncio.create_task(http.get(WAIT, params={"timeout": 30}))
    await wait_all_tasks_blocked()

    app.state.stopping.set()

    assert (await waiter).status_code == 503


async def test_a_closed_store_ends_a_wait(http: httpx.AsyncClient, store: MemoryStore) -> None:
    """Waits are answered with 503 when the store is closed under them."""
    waiter = asyncio.create_task(http.get(WAIT, params={"timeout": 30}))
    await wait_all_tasks_blocked()

    await store.close()

    assert (await waiter).status_code == 503


async def test_a_client_that_goes_ends_its_wait(app: Starlette) -> None:
    """A wait whose client has gone ends at once and takes no place any more."""
    gone = asyncio.Event()
    sent: list[Message] = []

    async def receive() -> Message:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": WAIT,
        "query_string": b"timeout=300",
        "headers": [(b"host", b"localhost")],
    }
    wait = asyncio.create_task(app(scope, receive, send))
    await wait_all_tasks_blocked()
    assert not wait.done()

    gone.set()

    await asyncio.wait_for(wait, 10)


@pytest.mark.parametrize(
    "query",
    ["timeout=301", "timeout=-1", "timeout=nan", "timeout=inf", "timeout=x", "after=x", "after=-1"],
)
async def test_bad_values_are_refused(http: httpx.AsyncClient, query: str) -> None:
    """A value out of its range gives 400 and a sentence that names it."""
    response = await http.get(f"{WAIT}?{query}")

    assert response.status_code == 400
    assert query.partition("=")[0] in response.text


@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query(recipient="Second@Example.com"),
        Query(recipient="cond@example.com"),
        Query(sender="ALICE@example.com"),
        Query(sender="example.com"),
        Query(subject="STRASSE"),
        Query(subject="nothing"),
        Query(after=0),
        Query(after=1),
        Query(before=1),
        Query(before=2),
        Query(unread=True),
        Query(unread=False),
    ],
    ids=repr,
)
async def test_a_live_match_is_what_find_gives(
    store: MemoryStore, deliver: Deliver, query: Query
) -> None:
    """A message that comes is judged as the store judges one that is there."""
    row = await deliver(
        "Subject: Hauptstraße\r\n\r\n".encode(), to=("first@x", "second@example.com")
    )

    assert matches(query, row) is bool(await store.find(query))


async def test_a_wait_sees_what_comes_while_it_looks(tmp_path: Path, deliver: Deliver) -> None:
    """No message falls between the look at what is there and the wait for what comes."""
    disk = await open_store(tmp_path)
    try:
        found = []
        for number in range(20):
            query = Query(recipient=f"user{number}@example.com")
            waiter = asyncio.create_task(first_match(disk, query, seconds=30))
            row = await deliver(to=(f"user{number}@example.com",), into=disk)
            found.append(await waiter == row)
    finally:
        await disk.close()

    assert all(found)
