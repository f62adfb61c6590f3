"""Nodes on one PostgreSQL that is away, stands still, or is not set as they want it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, closing, suppress

import psycopg
import pytest

from bindpost.errors import StoreAwayError
from bindpost.server.store.postgres import PostgresStore
from bindpost.server.store.postgres_connection import Server, Session
from bindpost.server.store.store import Query
from bindpost.testing.postgres import PostgresServer

from .postgres_bench import SAID, Node, caught_up, heard, make_message
from .postgres_bench import empty_schema as empty_schema
from .postgres_bench import one_more_node as one_more_node


async def test_an_outage_is_an_error_at_once_and_over_by_itself(
    node: Node, postgres: PostgresServer
) -> None:
    """While the database is away nothing is kept, and said so quickly; then all goes on."""
    here, there = await node(), await node(patience=1.0)
    kept = await here.add(make_message(), SAID)
    await caught_up(there, kept.cursor)
    changes = there.changes()

    with postgres.away():
        results = await asyncio.gather(
            *(here.add(make_message(), SAID) for _ in range(50)), return_exceptions=True
        )
        assert all(isinstance(result, StoreAwayError) for result in results)
        with pytest.raises(StoreAwayError):
            await there.find()

    row = await here.add(make_message(), SAID)
    assert (await heard(changes, 1))[0].row == row
    assert [found.id for found in await there.find()] == [row.id, kept.id]


async def test_a_restart_between_two_messages_is_not_seen(
    node: Node, postgres: PostgresServer
) -> None:
    """A connection that was lost while nothing was done is made anew, and nothing fails."""
    store = await node()
    first = await store.add(make_message(), SAID)

    with postgres.away():
        pass

    second = await store.add(make_message(), SAID)
    assert [row.id for row in await store.find()] == [second.id, first.id]


async def test_a_restart_is_not_seen_by_those_who_read(
    node: Node, postgres: PostgresServer
) -> None:
    """However many connections were lost, the next question is answered."""
    store = await node()
    await store.add(make_message(), SAID)
    await asyncio.gather(*(store.find() for _ in range(50)))  # there are as many as there may be

    with postgres.away():
        pass

    assert len(await store.find()) == 1


async def test_a_server_that_stands_still_is_given_up(node: Node, postgres: PostgresServer) -> None:
    """What is there and says nothing is as good as away, for who writes and who reads."""
    store = await node(patience=1.0)
    await store.add(make_message(), SAID)

    with postgres.still():
        async with asyncio.timeout(30):
            results = await asyncio.gather(
                store.add(make_message(), SAID), store.find(), return_exceptions=True
            )

    assert [type(result) for result in results] == [StoreAwayError, StoreAwayError]
    there = await node()
    kept = await there.add(make_message(), SAID)
    await caught_up(store, kept.cursor)


async def test_a_node_that_stops_in_a_transaction_is_waited_for_so_long(
    node: Node, postgres: PostgresServer, url: str
) -> None:
    """Who has the inbox locked and doesn't go on keeps others from it for a limited time."""
    store = await node(patience=1.0)
    async with await psycopg.AsyncConnection.connect(url) as stopped:
        await stopped.execute("SELECT * FROM inbox FOR UPDATE")

        with pytest.raises(StoreAwayError, match="lock timeout"):
            await store.add(make_message(), SAID)

    await store.add(make_message(), SAID)


async def test_a_node_that_stops_in_a_transaction_is_ended_by_the_server(
    node: Node, url: str
) -> None:
    """Another node, that has waited for less than it may, goes on then."""
    store = await node()
    with closing(Session(Server(url, patience=0.1))) as stopped:
        stopped.begin("SELECT * FROM inbox FOR UPDATE")

        await store.add(make_message(), SAID)


@pytest.mark.parametrize("is_sending", [True, False])
async def test_a_node_that_the_server_waits_for_is_ended_by_another(
    node: Node, url: str, is_sending: bool
) -> None:
    """One that stopped while it sent is as busy for the server as one that is behind a pipeline."""
    store = await node(patience=0.1)
    with closing(psycopg.connect(url)) as stopped:
        stopped.execute("SELECT * FROM inbox FOR UPDATE")
        if is_sending:
            stopped.pgconn.enter_pipeline_mode()
            stopped.pgconn.send_query_params(b"SELECT 1", None)
            stopped.pgconn.flush()

        async with asyncio.timeout(20):
            while (await store.count()).total == 0:
                with suppress(StoreAwayError):
                    await store.add(make_message(), SAID)


async def test_a_machine_that_vanishes_loses_its_lock(url: str) -> None:
    """The server looks for a node as often as that looks for the server."""
    server = Server(url, patience=7.0)
    with closing(Session(server)) as session:
        found = session.begin("SELECT current_setting('tcp_keepalives_idle')")
        assert found.fetchall() == [("7",)]


@pytest.mark.parametrize(
    "setting",
    ["&client_encoding=latin1", "%20-cdefault_transaction_isolation%3Dserializable"],
)
async def test_settings_of_elsewhere_do_no_harm(url: str, setting: str) -> None:
    """What is set for a user or a database, or in the environment, counts where it is harmless."""
    own = f"{url}{setting}"
    async with AsyncExitStack() as stack:
        nodes = []
        for _ in range(2):
            nodes.append(await PostgresStore.open(own))
            stack.push_async_callback(nodes[-1].close)
        message = make_message(to="жук@example.com")
        await nodes[0].add(message, SAID)
        for _ in range(20):
            await asyncio.gather(*(one.add(make_message(), SAID) for one in nodes))

        found = await nodes[1].find(Query(recipient="жук@example.com"))
        assert [row.id for row in found] == [message.id]


async def test_a_server_that_only_lets_read_is_left(
    node: Node, postgres: PostgresServer, url: str
) -> None:
    """A connection that came to a standby is not kept when there is a primary again."""
    store = await node(patience=0.5)
    name = url.rpartition("%3D")[2]
    setting = "ALTER ROLE bindpost IN DATABASE postgres {} default_transaction_read_only"
    postgres.run(setting.format("SET") + " = on")
    try:
        postgres.run(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            f" WHERE application_name = '{name}'"
        )
        with pytest.raises(StoreAwayError, match="read-only"):
            await store.add(make_message(), SAID)
    finally:
        postgres.run(f"BEGIN READ WRITE; {setting.format('RESET')}; COMMIT")

    await store.add(make_message(), SAID)
