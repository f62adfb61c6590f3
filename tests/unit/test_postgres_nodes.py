"""Several nodes on one PostgreSQL: one inbox, and one sequence of changes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from itertools import chain
from zlib import crc32

import httpx
import psycopg
import pytest

from bindpost.errors import StoreAwayError, StoreError
from bindpost.server.message.model import (
    TranscriptLine,
)
from bindpost.server.store.postgres import PostgresStore
from bindpost.server.store.store import MessageRow, Query, Retention
from bindpost.server.web.app import create_app
from bindpost.server.web.searching import find
from bindpost.testing.postgres import PostgresServer

from .postgres_bench import SAID, Node, caught_up, heard, make_message
from .postgres_bench import empty_schema as empty_schema
from .postgres_bench import one_more_node as one_more_node

STARTS = """
import asyncio, sys
from bindpost.server.store.postgres import PostgresStore

async def start():
    print(flush=True)
    sys.stdin.readline()
    store = await PostgresStore.open(sys.argv[1])
    print(store.sequence)
    await store.close()

asyncio.run(start())
"""


async def holds(_: MessageRow) -> bool:
    """Let every message through."""
    return True


def deafen(postgres: PostgresServer, url: str) -> None:
    """Cut the connections by which nodes hear of each other; they make new ones after a second."""
    postgres.run(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        f" WHERE application_name = '{url.rpartition('%3D')[2]}' AND query LIKE 'LISTEN %'"
    )


def test_nodes_that_start_at_once_make_the_tables_once(url: str) -> None:
    """Of several processes that start at the same moment one makes the tables; all can use them."""
    command = [sys.executable, "-c", STARTS, url]
    nodes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)
    ]
    for one in nodes:
        assert one.stdout is not None
        one.stdout.readline()  # it is loaded

    for one in nodes:
        assert one.stdin is not None
        one.stdin.write(b"\n")
        one.stdin.flush()

    assert [one.communicate(timeout=30)[0] for one in nodes] == [b"0\n"] * 3


async def test_every_node_hears_everything_in_order(node: Node) -> None:
    """What three nodes do at once, each of them is told once, in the same order, without a gap."""
    nodes = [await node() for _ in range(3)]
    followers = [one.changes() for one in nodes]

    async def load(one: PostgresStore) -> list[str]:
        rows = [
            row
            for _ in range(10)
            for row in await asyncio.gather(*(one.add(make_message(), SAID) for _ in range(5)))
        ]
        await one.mark([row.id for row in rows], read=True)
        return [row.id for row in rows]

    ids = await asyncio.gather(*(load(one) for one in nodes))

    told = [await heard(changes, 3 * 51) for changes in followers]
    assert told[0] == told[1] == told[2]
    assert [change.sequence for change in told[0]] == list(range(1, 3 * 51 + 1))
    added = [change.ids[0] for change in told[0] if change.kind == "added"]
    assert sorted(added) == sorted(chain(*ids))
    counts = await nodes[0].count()
    assert (counts.total, counts.unread) == (150, 0)


async def test_a_node_waits_for_what_another_gets(node: Node) -> None:
    """A follower on one node is woken by a message that comes to another, with its row."""
    here, there = await node(), await node()
    waiting = asyncio.ensure_future(heard(here.changes(), 1))
    await asyncio.sleep(0)

    row = await there.add(make_message(), SAID)

    (change,) = await waiting
    assert change.row == row
    assert await here.get(row.id) == row
    assert await here.transcript(row.id) == SAID


async def test_a_node_that_starts_late_is_told_of_the_past(node: Node) -> None:
    """A node can go back in the changes that others made before it was there."""
    there = await node()
    row = await there.add(make_message(), SAID)
    await there.delete([row.id])

    late = await node()

    added, deleted = await heard(late.changes(0), 2)
    assert (added.row, deleted.ids) == (row, (row.id,))


async def test_what_nobody_waited_for_is_told_to_who_comes_later(node: Node) -> None:
    """A node reads nothing while nobody looks; who does then is told all of it, in order."""
    here, there = await node(), await node()
    rows = [await there.add(make_message(), SAID) for _ in range(3)]

    own = await here.add(make_message(), SAID)

    assert here.sequence == own.cursor == 4
    told = await heard(here.changes(0), 4)
    assert [change.row for change in told] == [*rows, own]


async def test_what_was_counted_is_counted_anew_when_another_node_deletes(node: Node) -> None:
    """A count is remembered as long as messages come; what another node does to them is known."""
    here, there = await node(), await node()
    query = Query(sender="from@example.com")
    rows = [await there.add(make_message(), SAID) for _ in range(3)]
    await caught_up(here, 3)
    assert (await here.count(query)).total == 3

    await there.delete([rows[0].id])
    await caught_up(here, 4)

    assert (await here.count(query)).total == 2


async def test_what_is_meant_by_all_does_not_depend_on_what_was_heard(
    node: Node, postgres: PostgresServer, url: str
) -> None:
    """Counting, marking and deleting all on one node are about all that is there, at once."""
    here, there = await node(), await node()
    query = Query(sender="from@example.com")
    assert (await here.count(query)).total == 0
    deafen(postgres, url)
    rows = [await there.add(make_message(), SAID) for _ in range(2)]

    assert (await here.count(query)).total == 2
    rows.append(await there.add(make_message(), SAID))
    assert await here.mark(None, read=True) == 3
    rows.append(await there.add(make_message(), SAID))
    await there.delete([rows[0].id])
    assert (await here.count(query)).total == 3
    rows.append(await there.add(make_message(), SAID))
    assert await here.delete(None) == 4


async def test_an_export_has_what_other_nodes_took_just_now(
    node: Node, postgres: PostgresServer, url: str
) -> None:
    """An inbox file has all that is there when it is asked for, and so has a slow search."""
    here, there = await node(), await node()
    deafen(postgres, url)
    row = await there.add(make_message(), SAID)

    app = create_app(here, ready=lambda: True, version="1")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        file = (await http.get("/api/bindpost/v1/inbox")).content
    found = await find(here, Query(), limit=1, holds=holds)

    assert row.id.encode() in file
    assert [one.id for one in found.rows] == [row.id]


async def test_what_is_forgotten_meanwhile_is_an_error(node: Node) -> None:
    """A node that others have left behind says so to followers, and goes on with what is new."""
    here, there = await node(remembered=5), await node(remembered=5)
    row = await there.add(make_message(), SAID)
    await caught_up(here, row.cursor)
    behind = here.changes()
    for number in range(20):
        await there.mark([row.id], read=number % 2 == 0)
    await here.mark([row.id], read=True)

    with pytest.raises(StoreError, match="no longer remembered"):
        await heard(behind, 1)

    live = here.changes()
    newest = await there.add(make_message(), SAID)
    assert (await heard(live, 1))[0].row == newest


async def test_a_transcript_that_another_node_removed_is_whole_again(node: Node) -> None:
    """A session goes on after its messages were deleted elsewhere: nothing of it is missing."""
    here, there = await node(), await node()
    first = await here.add(make_message(), SAID)
    await caught_up(there, first.cursor)
    await there.delete(None)

    longer = (*SAID, TranscriptLine(9, "C", "DATA"))
    second = await here.add(make_message(), longer)

    assert await there.transcript(second.id) == longer


async def test_retention_holds_for_all_nodes_together(node: Node) -> None:
    """However many nodes take mail, no more is kept than one of them may keep, and all is told."""
    nodes = [await node(retention=Retention(max_messages=10)) for _ in range(3)]
    changes = nodes[0].changes(0)
    await asyncio.gather(*(one.add(make_message(), SAID) for one in nodes for _ in range(20)))

    gone: list[str] = []
    while len(gone) < 50:
        (change,) = await heard(changes, 1)
        gone += change.ids if change.kind == "deleted" else ()

    assert len(set(gone)) == 50
    assert (await nodes[1].count()).total == 10


async def test_retention_is_applied_by_one_node_at_a_time(node: Node) -> None:
    """Of nodes that apply it at the same moment, none deletes what another has deleted."""
    keeper = await node()
    ids = [(await keeper.add(make_message(), SAID)).id for _ in range(5)]
    changes = keeper.changes()
    nodes = [await node(retention=Retention(max_age=0.0)) for _ in range(2)]

    await asyncio.gather(*(one.sweep() for one in nodes for _ in range(3)))
    await keeper.add(make_message(), SAID)

    deleted, added = await heard(changes, 2)
    assert sorted(deleted.ids) == sorted(ids)
    assert added.kind == "added"


async def test_what_was_committed_is_never_called_refused(
    node: Node, postgres: PostgresServer, url: str
) -> None:
    """Where what others did can't be read behind a commit, the message is there all the same."""
    here, there = await node(), await node()
    query = Query(sender="from@example.com")
    first = await here.add(make_message(), SAID)
    await here.count(query)  # so that every change is worth reading
    schema = url.rpartition("%3D")[2]
    deafen(postgres, url)
    postgres.run(f"ALTER TABLE {schema}.change RENAME TO told")
    unreadable = f"SELECT * FROM {schema}.told WHERE 1 / (sequence - sequence) = 1"
    postgres.run(f"CREATE VIEW {schema}.change AS {unreadable}")
    other = await there.add(make_message(), SAID)

    row = await here.add(make_message(), SAID)

    postgres.run(f"DROP VIEW {schema}.change")
    postgres.run(f"ALTER TABLE {schema}.told RENAME TO change")
    assert [change.row for change in await heard(here.changes(0), 3)] == [first, other, row]
    assert (await here.count(query)).total == 3


async def test_anybody_may_notify(node: Node, postgres: PostgresServer, url: str) -> None:
    """A notification that isn't from a node is a reason to look, and does no harm."""
    here, there = await node(), await node()
    changes = here.changes()
    channel = f"bindpost_{crc32(url.rpartition('%3D')[2].encode()):08x}"
    for text in ("", "what", "9" * 40):
        postgres.run(f"NOTIFY {channel}, '{text}'")

    row = await there.add(make_message(), SAID)

    assert (await heard(changes, 1))[0].row == row


async def test_a_change_that_a_newer_node_tells_is_one_that_was_missed(
    node: Node, postgres: PostgresServer, url: str
) -> None:
    """Who follows is told to read the inbox anew, and this node goes on hearing of what is new."""
    here, there = await node(), await node()
    schema = url.rpartition("%3D")[2]
    waiting = asyncio.ensure_future(heard(here.changes(), 1))
    await asyncio.sleep(0)
    postgres.run(
        f"""INSERT INTO {schema}.change VALUES (1, '{{"sequence": 1, "kind": "snoozed"}}');"""
        f"UPDATE {schema}.inbox SET sequence = 1;"
        f"NOTIFY bindpost_{crc32(schema.encode()):08x}, '1'"
    )

    with pytest.raises(StoreError, match="no longer remembered"):
        await waiting

    changes = here.changes()
    row = await there.add(make_message(), SAID)
    assert (await heard(changes, 1))[0].row == row


async def test_a_database_that_went_back_is_not_written_to(
    node: Node, postgres: PostgresServer, url: str
) -> None:
    """When changes are lost that a node has told already, it takes no mail until a restart."""
    store = await node()
    await store.add(make_message(), SAID)
    schema = url.rpartition("%3D")[2]
    postgres.run(f"UPDATE {schema}.inbox SET sequence = 0")

    with pytest.raises(StoreAwayError, match="has lost changes"):
        await store.add(make_message(), SAID)


async def test_large_messages_are_compressed_the_quick_way(
    node: Node, postgres: PostgresServer, url: str
) -> None:
    """A server that knows lz4 uses it, as its own way takes several times as long."""
    store = await node()
    row = await store.add(make_message(raw=b"Subject: x\r\n\r\n" + 10_000 * b"x"), SAID)

    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute("SELECT pg_column_compression(raw) FROM body")
        assert await found.fetchall() == [("lz4",)]
    assert await store.raw(row.id) == b"Subject: x\r\n\r\n" + 10_000 * b"x"


@pytest.mark.parametrize("address", ["a\0b@x", "x" * 10_000 + "@x", "é" * 3000 + "@x"])
async def test_odd_addresses_are_found(node: Node, address: str) -> None:
    """An address that PostgreSQL can't keep or index as it is, is found, and comes back whole."""
    store = await node()
    row = await store.add(make_message(to=address), SAID)
    await store.add(make_message(to=address[:-1] + "y"), SAID)

    assert [found.id for found in await store.find(Query(recipient=address))] == [row.id]
    kept = await store.get(row.id)
    assert kept is not None
    assert kept.envelope.recipients[0].address == address


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("options=-csearch_path%3Dnone_such", "isn't there; create it"),
        ("dbname=none_such", "none_such"),
        ("port=1", "can't be used now"),
        ("nonsense=1", "can't be read"),
    ],
)
async def test_a_database_that_cannot_be_used_is_named(
    postgres: PostgresServer, options: str, error: str
) -> None:
    """What is wrong with a database is said, and never its password."""
    url = postgres.url("public", password="geheim").partition("?")[0]

    with pytest.raises(StoreError, match=error) as raised:
        await PostgresStore.open(f"{url}?{options}")

    assert "geheim" not in str(raised.value)


async def test_a_database_of_another_encoding_is_refused(postgres: PostgresServer) -> None:
    """It is named in words, though all texts of a database in SQL_ASCII come as bytes."""
    postgres.run(
        "CREATE DATABASE ascii TEMPLATE template0 ENCODING SQL_ASCII LOCALE 'C' STRATEGY file_copy"
    )
    url = postgres.url("public").partition("?")[0]

    with pytest.raises(StoreError, match="has the encoding SQL_ASCII, and it must be UTF8"):
        await PostgresStore.open(f"{url}?dbname=ascii")


async def test_a_database_of_a_newer_bindpost_is_left_alone(
    node: Node, postgres: PostgresServer, url: str
) -> None:
    """Tables that a newer bindpost has made are named as such."""
    await node()
    schema = url.rpartition("%3D")[2]
    postgres.run(f"INSERT INTO {schema}.schema_version VALUES (99)")

    with pytest.raises(StoreError, match="schema version 99"):
        await node()
