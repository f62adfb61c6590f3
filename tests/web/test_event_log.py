"""The event log over HTTP: lists, single events, the stream, exports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import httpx
import pytest
from starlette.applications import Starlette

from bindpost.config.endpoint import Endpoint
from bindpost.events import BIND_FAILED, READY, SESSION_REFUSED, EventType
from bindpost.server.eventlog import Failure, record
from bindpost.server.eventlog.json_form import document
from bindpost.server.eventlog.kept import keep
from bindpost.server.eventlog.saved_file import read_events
from bindpost.server.eventlog.xml_form import NAMESPACE
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.memory_events import MemoryEventStore
from bindpost.server.web import event_log, sse
from bindpost.server.web.app import create_app
from bindpost.server.web.server import WebServer

EVENTS: Final = "/api/bindpost/v1/events"
MOMENT: Final = datetime(2026, 3, 1, 11, 30, 5, 120000, tzinfo=UTC)
PATIENCE: Final = 20.0
Happen = Callable[..., record.EventRecord]


@pytest.fixture
def happen(kept: MemoryEventStore) -> Happen:
    """Give a function that keeps an event and gives its record."""

    def happen(
        definition: EventType = BIND_FAILED, *, minutes: int = 0, **fields: Any
    ) -> record.EventRecord:
        given = fields or {"wsa_error": 10050}
        strings = tuple(str(given.get(name, "?")) for name in definition.parameters)
        happened = record.EventRecord(
            time=MOMENT + timedelta(minutes=minutes),
            level=definition.level.logging_name,
            logger="bindpost.listener",
            message=definition.fill(strings),
            host="EXCH55",
            process_id=16982,
            thread_id=1,
            fields=given,
            failure=Failure(code="10050", type="WSAENETDOWN", message="Network is down"),
            definition=definition,
            record_id=kept.latest + 1,
            strings=strings,
        )
        kept.append(keep(happened, "EXCH55"))
        return happened

    return happen


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[tuple[WebServer, httpx.AsyncClient]]:
    """Give a server of the app on a port, and a client of it."""
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(app)
    try:
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:
            yield server, client
    finally:
        await server.stop()


async def cursors(http: httpx.AsyncClient, **parameters: Any) -> list[int]:
    """Give the cursors that a list has."""
    answer = await http.get(EVENTS, params=parameters)
    assert answer.status_code == 200, answer.text
    return [event["cursor"] for event in answer.json()["events"]]


async def test_an_event_is_told_with_all_its_facts(http: httpx.AsyncClient, happen: Happen) -> None:
    """The list has every key that the documentation names."""
    happen()

    answer = (await http.get(EVENTS)).json()

    assert answer == {
        "events": [
            {
                "cursor": 1,
                "time": "2026-03-01T11:30:05.120000Z",
                "source": "MSExchangeIMC",
                "id": 4007,
                "level": "error",
                "category": "Initialization/Termination",
                "computer": "EXCH55",
                "node": "EXCH55",
                "message": BIND_FAILED.sentence({"wsa_error": 10050}),
                "strings": ["10050"],
                "fields": {"wsa_error": 10050},
                "error": {"code": "10050", "type": "WSAENETDOWN", "message": "Network is down"},
                "logger": "bindpost.listener",
                "process_id": 16982,
                "thread_id": 1,
            }
        ],
        "next": None,
    }


async def test_one_event_comes_with_what_it_means(http: httpx.AsyncClient, happen: Happen) -> None:
    """A single event has the catalogue's explanation and remedy; an unknown one is 404."""
    happen()
    happen(READY, smtp="127.0.0.1:25", web="off")

    event = (await http.get(f"{EVENTS}/1")).json()

    assert (event["id"], event["symbol"]) == (4007, BIND_FAILED.symbol)
    assert event["explanation"] == BIND_FAILED.explanation
    assert event["remedy"] == BIND_FAILED.remedy
    for wrong in ("3", "0", "-1", "99999999999999999999", "latest"):
        assert (await http.get(f"{EVENTS}/{wrong}")).status_code == 404


async def test_filters(http: httpx.AsyncClient, happen: Happen) -> None:
    """Each filter leaves out what it says, and all that are given must hold."""
    happen()
    happen(READY, minutes=1, smtp="127.0.0.1:25", web="off")
    happen(SESSION_REFUSED, minutes=2, reason="Too MANY sessions")

    assert await cursors(http, id="4007") == [1]
    assert await cursors(http, id=["4007", "100"]) == [2, 1]
    assert await cursors(http, id="4007, 102") == [3, 1]
    assert await cursors(http, source="bindpost") == [3, 2]
    assert await cursors(http, level="error") == [1]
    assert await cursors(http, level="warning") == [3, 1]
    assert await cursors(http, level="information") == [3, 2, 1]
    assert await cursors(http, since="2026-03-01T11:31:05.12Z") == [3, 2]
    assert await cursors(http, until="2026-03-01T13:31:05.12+02:00") == [2, 1]
    assert await cursors(http, text="too many") == [3]
    assert await cursors(http, after=1, before=3) == [2]
    assert await cursors(http, source="bindpost", level="error") == []


async def test_paging(http: httpx.AsyncClient, happen: Happen) -> None:
    """`next` leads from page to page, newest first, and is null at the end."""
    for _ in range(5):
        happen()
    seen, before = [], None
    while True:
        page = (await http.get(EVENTS, params={"limit": 2} | (before or {}))).json()
        seen += [event["cursor"] for event in page["events"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}

    assert seen == [5, 4, 3, 2, 1]
    assert await cursors(http, limit=0) == [5, 4, 3, 2, 1]
    assert (await http.get(EVENTS, params={"limit": 1001})).status_code == 400


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"id": "40x7"}, "id='40x7'"),
        ({"id": ","}, "id is empty"),
        ({"id": ",".join(["1"] * 101)}, "101"),
        ({"level": "fatal"}, "error, warning, information"),
        ({"since": "yesterday"}, "RFC 3339"),
        ({"since": "2026-03-01T11:30:05"}, "offset"),
        ({"until": "2026-03-01T11:30:05 02:00"}, "%2B"),
        ({"after": "-1"}, "after"),
    ],
)
@pytest.mark.parametrize("path", ["", "/stream", "/export"])
async def test_what_cannot_be_read_is_refused(
    http: httpx.AsyncClient, path: str, parameters: dict[str, str], named: str
) -> None:
    """A filter that is wrong is named, with 400; nothing is guessed."""
    answer = await http.get(f"{EVENTS}{path}", params=parameters)

    assert answer.status_code == 400
    assert named in answer.text


@pytest.mark.parametrize("path", ["", "/1", "/stream", "/export"])
async def test_without_a_store(store: MemoryStore, path: str) -> None:
    """A server that keeps no events says which setting changes that."""
    transport = httpx.ASGITransport(create_app(store, ready=lambda: True, version="1"))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get(f"{EVENTS}{path}")

    assert (answer.status_code, answer.text) == (404, event_log.OFF)


async def test_the_guard_holds_here_too(http: httpx.AsyncClient) -> None:
    """Events are told to none of the web pages elsewhere."""
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        for path in ("", "/1", "/stream", "/export"):
            assert (await http.get(f"{EVENTS}{path}", headers=headers)).status_code == 403


# The stream


async def next_events(lines: AsyncIterator[str], count: int) -> list[tuple[int, dict[str, Any]]]:
    """Read events as a browser does: cursor and object."""
    found: list[tuple[int, dict[str, Any]]] = []
    cursor = 0
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            name, _, value = (await anext(lines)).partition(": ")
            if name == "id":
                cursor = int(value)
            elif name == "data":
                found.append((cursor, json.loads(value)))
    return found


async def test_a_stream_tells_what_happens(app: Starlette, happen: Happen) -> None:
    """Without a cursor only new events come, each with its cursor as the id."""
    happen()
    async with (
        serving(app) as (_, http),
        http.stream("GET", f"{EVENTS}/stream", params={"id": "4007"}) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        lines = answer.aiter_lines()
        assert (await anext(lines)).startswith("retry: ")
        happen(READY, smtp="127.0.0.1:25", web="off")
        await asyncio.to_thread(happen)

        ((cursor, event),) = await next_events(lines, 1)

    assert cursor == event["cursor"] == 3
    assert event["message"] == BIND_FAILED.sentence({"wsa_error": 10050})


@pytest.mark.parametrize(
    ("headers", "parameters", "expected"),
    [
        ({"Last-Event-ID": "1"}, {}, [2, 3]),
        ({}, {"after": "2"}, [3]),
        pytest.param({"Last-Event-ID": "2"}, {"after": "0"}, [3], id="the header is newer"),
        ({"Last-Event-ID": ""}, {"after": "0"}, [1, 2, 3]),
        pytest.param({"Last-Event-ID": "900"}, {}, [1, 2, 3], id="a cursor of an earlier server"),
    ],
)
async def test_a_stream_goes_on_where_it_was_left(
    app: Starlette,
    happen: Happen,
    headers: dict[str, str],
    parameters: dict[str, str],
    expected: list[int],
) -> None:
    """What was missed comes first, then what happens, with no gap and no double."""
    for _ in range(3):
        happen()
    async with (
        serving(app) as (_, http),
        http.stream("GET", f"{EVENTS}/stream", headers=headers, params=parameters) as answer,
    ):
        lines = answer.aiter_lines()
        missed = await next_events(lines, len(expected))
        happen()
        live = await next_events(lines, 1)

    assert [cursor for cursor, _ in missed + live] == [*expected, 4]


async def test_a_last_event_id_that_is_none_is_refused(http: httpx.AsyncClient) -> None:
    """A header that no stream of ours can have given is named."""
    answer = await http.get(f"{EVENTS}/stream", headers={"Last-Event-ID": "abc"})

    assert answer.status_code == 400
    assert "Last-Event-ID" in answer.text


async def test_a_silent_stream_gives_signs_of_life(
    app: Starlette,
    happen: Happen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Comments come while nothing happens, and the event after them is not lost."""
    monkeypatch.setattr(sse, "HEARTBEAT", 0.01)
    async with (
        serving(app) as (_, http),
        http.stream("GET", f"{EVENTS}/stream") as answer,
    ):
        lines = answer.aiter_lines()
        comments = 0
        async with asyncio.timeout(PATIENCE):
            while comments < 3:
                comments += (await anext(lines)).startswith(":")
        happen()
        ((cursor, _),) = await next_events(lines, 1)

    assert cursor == 1


async def test_streams_end_when_the_server_goes_down(
    app: Starlette, kept: MemoryEventStore
) -> None:
    """The end comes at once and is an orderly one; so does it when the store is closed."""
    async with asyncio.timeout(PATIENCE):
        for end in ("server", "store"):
            async with (
                serving(app) as (server, http),
                http.stream("GET", f"{EVENTS}/stream") as answer,
            ):
                lines = answer.aiter_lines()
                await anext(lines)
                await (server.stop() if end == "server" else kept.close())
                assert [line async for line in lines] == [""]


async def test_a_client_that_goes_leaves_nothing(app: Starlette) -> None:
    """A stream that nobody reads any more ends its task."""
    before = asyncio.all_tasks()
    async with serving(app) as (_, http):
        async with http.stream("GET", f"{EVENTS}/stream") as answer:
            await anext(answer.aiter_lines())
            mine = asyncio.all_tasks() - before
            assert mine
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait(mine)


# Exports


async def test_an_export_is_the_log(http: httpx.AsyncClient, happen: Happen) -> None:
    """JSON lines are exactly the log's, the oldest first, all that match and nothing else."""
    happened = [happen(minutes=number) for number in range(600)]
    happen(READY, smtp="127.0.0.1:25", web="off")

    answer = await http.get(f"{EVENTS}/export", params={"id": "4007"})

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="events.jsonl"'
    assert [json.loads(line) for line in answer.text.splitlines()] == [
        document(one) for one in happened
    ]


@pytest.mark.parametrize("form", ["evt", "evtx"])
async def test_an_export_for_event_viewer(
    http: httpx.AsyncClient, happen: Happen, tmp_path: Path, form: str
) -> None:
    """The file is one that a reader of Windows' event logs takes."""
    for number in range(3):
        happen(wsa_error=10050 + number)
    answer = await http.get(f"{EVENTS}/export", params={"format": form, "after": "1"})
    path = tmp_path / "saved"
    path.write_bytes(answer.content)

    found = [(one.number, one.id, one.strings) for one in read_events(path)]

    assert answer.headers["content-disposition"] == f'attachment; filename="events.{form}"'
    assert found == [(2, 4007, ("10051",)), (3, 4007, ("10052",))]


async def test_an_export_as_xml(http: httpx.AsyncClient, happen: Happen) -> None:
    """The document has an element for each event, with its sentence."""
    happened = [happen(), happen(wsa_error=10048)]

    answer = await http.get(f"{EVENTS}/export", params={"format": "xml"})

    root = ElementTree.fromstring(answer.content)
    sentences = [element.text for element in root.iter(f"{{{NAMESPACE}}}Message")]
    assert answer.headers["content-type"] == "application/xml"
    assert sentences == [one.message for one in happened]


async def test_an_export_of_nothing(http: httpx.AsyncClient) -> None:
    """No events are an empty file, not an error."""
    answer = await http.get(f"{EVENTS}/export")

    assert (answer.status_code, answer.content) == (200, b"")


async def test_an_export_that_cannot_be(http: httpx.AsyncClient) -> None:
    """An unknown format is refused with the known ones, and a limit: all that match are given."""
    unknown = await http.get(f"{EVENTS}/export", params={"format": "doc"})
    limited = await http.get(f"{EVENTS}/export", params={"limit": "5"})

    assert unknown.status_code == limited.status_code == 400
    assert "json, xml, evt, evtx" in unknown.text
    assert "'limit' is no parameter" in limited.text
