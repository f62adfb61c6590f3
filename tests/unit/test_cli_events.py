"""`bindpost events`, over a data folder, a saved log, and a real server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from click.testing import CliRunner, Result

from bindpost.cli import event_export, main
from bindpost.cli.terminal import harmless_json
from bindpost.client import Client, EventFilter
from bindpost.config.endpoint import Endpoint
from bindpost.errors import ServerUnreachableError
from bindpost.events import BIND_FAILED
from bindpost.server.eventlog import FORMATS
from bindpost.server.eventlog.saved_file import read_events
from bindpost.server.store.events import EventStore, NewEvent
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.memory_events import MemoryEventStore
from bindpost.server.store.sqlite_events import SqliteEventStore
from bindpost.server.web.app import create_app
from bindpost.server.web.server import WebServer

Run = Callable[..., Coroutine[None, None, Result]]
MOMENT: Final = datetime(2026, 3, 1, 11, 30, 5, 120000, tzinfo=UTC)


def event(code: int = 10050, **facts: Any) -> NewEvent:
    """Make a 4007."""
    made = NewEvent(
        time=MOMENT,
        source="MSExchangeIMC",
        id=4007,
        type=1,
        category=1,
        category_name="Initialization/Termination",
        identifier=BIND_FAILED.identifier,
        computer="EXCH55",
        logger="bindpost.listener",
        process_id=1,
        thread_id=2,
        message=BIND_FAILED.sentence({"wsa_error": code}),
        strings=(str(code),),
        fields={"wsa_error": code, "hop": "connect", "hint": "start the proxy"},
    )
    return msgspec.structs.replace(made, **facts)


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[EventStore]:
    """Give an event store in a data folder, as a server has it."""
    store = await SqliteEventStore.open(tmp_path, keep=1000)
    yield store
    await store.close()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Give a function that runs `bindpost events` with settings that name the data folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BINDPOST_DATA", str(tmp_path))

    async def run(*arguments: str | Path) -> Result:
        command = ["events", *map(str, arguments)]
        return await asyncio.to_thread(CliRunner().invoke, main, command)

    return run


@pytest.fixture
async def server() -> AsyncIterator[tuple[str, EventStore]]:
    """Give the URL of a server that keeps its events in memory, and these."""
    messages = MemoryStore()
    store = MemoryEventStore(keep=2000)
    app = create_app(messages, ready=lambda: True, version="1", events=store, exports=FORMATS)
    web = WebServer(Endpoint("127.0.0.1", 0))
    await web.bind()
    await web.serve(app)
    yield web.url, store
    await web.stop()
    await store.close()
    await messages.close()


async def listed(run: Run, *arguments: str | Path) -> list[dict[str, Any]]:
    """Give what `list --json` prints."""
    result = await run("list", "--json", *arguments)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


# list


async def test_list_prints_what_helps(
    run: Run, kept: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event is a line in local time with its offset; the hint stands below it."""
    monkeypatch.setenv("TZ", "XYZ-5:30")
    time.tzset()
    kept.append(event())

    lines = (await run("list")).stdout.splitlines()

    monkeypatch.undo()
    time.tzset()
    sentence = BIND_FAILED.sentence({"wsa_error": 10050})
    assert lines == [
        f"2026-03-01T17:00:05.120+05:30 error       MSExchangeIMC 4007 {sentence}",
        "    hint: start the proxy",
    ]


async def test_the_file_and_the_server_tell_the_same(
    run: Run, kept: EventStore, server: tuple[str, EventStore], tmp_path: Path
) -> None:
    """Read from the data folder or asked of a server, an event looks alike."""
    url, in_memory = server
    for store in (kept, in_memory):
        store.append(event(error={"code": "10050", "type": "WSAENETDOWN"}))
        store.append(event(10048))

    from_settings = await listed(run)

    assert [found["strings"] for found in from_settings] == [["10048"], ["10050"]]
    assert await listed(run, "--data", tmp_path) == from_settings
    assert await listed(run, "--server", url) == from_settings


async def test_data_in_memory_are_asked_of_the_server(
    run: Run, server: tuple[str, EventStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the settings keep nothing on disk, the server of the settings is asked."""
    url, store = server
    store.append(event())
    monkeypatch.setenv("BINDPOST_DATA", ":memory:")
    monkeypatch.setenv("BINDPOST_WEB", url.removeprefix("http://"))

    assert [found["id"] for found in await listed(run)] == [4007]


@pytest.mark.parametrize("from_server", [False, True])
async def test_filters(
    run: Run, kept: EventStore, server: tuple[str, EventStore], from_server: bool
) -> None:
    """Each option leaves out what it says, wherever events come from; the latest is first."""
    url, in_memory = server
    store, place = (in_memory, ["--server", url]) if from_server else (kept, [])
    now = datetime.now(UTC)
    store.append(event(id=1, time=now - timedelta(days=2)))
    store.append(event(id=2, source="bindpost", type=2, message="Too MANY sessions"))
    store.append(event(id=3, source="bindpost", type=4, time=now))

    async def ids(*options: str) -> list[int]:
        return [found["id"] for found in await listed(run, *place, *options)]

    assert await ids() == [3, 1, 2]
    assert await ids("--node", "EXCH55") == [3, 1, 2]
    assert await ids("--node", "other") == []
    assert await ids("--limit", "2") == [3, 2]
    assert await ids("--id", "1", "--id", "3") == [3, 1]
    assert await ids("--source", "bindpost") == [3, 2]
    assert await ids("--level", "error") == [1]
    assert await ids("--level", "warning") == [1, 2]
    assert await ids("--text", "too many") == [2]
    assert await ids("--since", "1h") == [3]
    assert await ids("--since", "3d") == [3, 1]
    assert await ids("--until", (now - timedelta(days=1)).isoformat()) == [1, 2]
    assert await ids("--since", "2026-03-01T12:30:05.12+01:00", "--until", "2026-03-02") == [2]


async def test_many_events_come_over_several_requests(
    run: Run, server: tuple[str, EventStore]
) -> None:
    """With `--limit 0` the server is asked until there are no more."""
    url, store = server
    for _ in range(1234):
        store.append(event())

    found = await listed(run, "--server", url, "--limit", "0")

    assert [one["cursor"] for one in found] == list(range(1234, 0, -1))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("list", "--since", "soon"), "10m, 2h"),
        (("list", "--since", "999999999d"), "is no time"),
        (("list", "--level", "fatal"), "information"),
        (("list", "--data", ".", "--server", "http://127.0.0.1:1"), "only one"),
        (("export", "--format", "doc"), "evt"),
    ],
)
async def test_bad_options(run: Run, arguments: tuple[str, ...], named: str) -> None:
    """What can't be understood is a usage error that says what can."""
    result = await run(*arguments)

    assert result.exit_code == 2
    assert named in result.output


async def test_a_folder_without_events(run: Run, tmp_path: Path) -> None:
    """Where no server has kept any, the error names the file."""
    result = await run("list")

    assert result.exit_code == 1
    assert str(tmp_path / "events.db") in result.output
    assert "Traceback" not in result.output


async def test_a_server_that_keeps_none(run: Run) -> None:
    """What the server says of its settings is told."""
    web = WebServer(Endpoint("127.0.0.1", 0))
    await web.bind()
    await web.serve(create_app(MemoryStore(), ready=lambda: True, version="1"))
    results = [await run(command, "--server", web.url) for command in ("list", "follow", "export")]
    await web.stop()

    for result in results:
        assert result.exit_code == 69
        assert "event_log.keep" in result.output


async def test_hostile_texts_do_not_reach_the_terminal(run: Run, kept: EventStore) -> None:
    """Whatever is in an event, nothing of it is obeyed by a terminal, in neither form."""
    text = "\x1b[2J\x9b1m\u202e\x7f\u2028"
    kept.append(event(message=text, fields={"hint": text, text: text}, computer=text))

    for arguments in (("list",), ("list", "--json")):
        shown = (await run(*arguments)).stdout
        assert not {"\x1b", "\x9b", "\u202e", "\x7f", "\u2028"} & set(shown)
    assert (await listed(run))[0]["message"] == text
    assert json.loads(harmless_json(json.dumps([text], ensure_ascii=False))) == [text]


# export


async def test_export_to_a_file_and_to_standard_output(
    run: Run, kept: EventStore, tmp_path: Path
) -> None:
    """The file has what standard output has: the log's own lines, the oldest first."""
    for code in (10050, 10048):
        kept.append(event(code))
    path = tmp_path / "out.jsonl"

    printed = (await run("export")).stdout
    result = await run("export", "--output", path)

    assert (result.exit_code, result.output) == (0, "")
    assert path.read_text() == printed
    records = [json.loads(line) for line in printed.splitlines()]
    assert [record["Data"] for record in records] == [["10050"], ["10048"]]
    assert records[0]["winlog"]["record_id"] == 1
    assert records[0]["bindpost"]["hint"] == "start the proxy"


@pytest.mark.parametrize("from_server", [False, True])
@pytest.mark.parametrize("form", ["evt", "evtx"])
async def test_a_saved_log_is_listed(
    run: Run,
    kept: EventStore,
    server: tuple[str, EventStore],
    tmp_path: Path,
    from_server: bool,
    form: str,
) -> None:
    """What is exported for Event Viewer can be read here again, sentence and all."""
    url, in_memory = server
    store, place = (in_memory, ["--server", url]) if from_server else (kept, [])
    for code in (10050, 10048):
        store.append(event(code))
    store.append(event(id=9999, source="Another", message="?", strings=("a", "b")))
    path = tmp_path / "saved"

    assert (await run("export", "--format", form, "-o", path, *place)).exit_code == 0

    saved = [one.strings for one in read_events(path)]
    assert saved == [("10050",), ("10048",), ("a", "b")]
    unknown, failed, _ = await listed(run, "--file", path)
    assert failed["message"] == BIND_FAILED.sentence({"wsa_error": 10048})
    assert (failed["level"], failed["computer"], failed["cursor"]) == ("error", "EXCH55", 2)
    assert (unknown["source"], unknown["message"]) == ("Another", "a; b")
    assert [one["id"] for one in await listed(run, "--file", path, "--id", "4007")] == [4007, 4007]


async def test_what_is_no_saved_log(run: Run, tmp_path: Path) -> None:
    """A file of another kind is named."""
    path = tmp_path / "letter.evt"
    path.write_text("Dear Sir,")

    result = await run("list", "--file", path)

    assert result.exit_code == 1
    assert f"{path} is no event log file" in result.output


async def test_a_failed_export_leaves_what_was_there(run: Run, tmp_path: Path) -> None:
    """A file is replaced by a whole one or not at all, and nothing is left beside it."""
    path = tmp_path / "out.jsonl"
    path.write_text("as it was")

    assert (await run("export", "-o", path, "--data", tmp_path / "none")).exit_code == 1
    assert (await run("export", "-o", path, "--server", "http://127.0.0.1:1")).exit_code == 69

    assert path.read_text() == "as it was"
    assert os.listdir(tmp_path) == ["out.jsonl"]
    beside = await run("export", "-o", tmp_path / "no" / "out.jsonl")
    assert beside.exit_code == 1
    assert "out.jsonl cannot be written" in beside.output


async def test_a_terminal_gets_no_binary(
    run: Run, kept: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form that a terminal can't show needs a file, or a pipe."""
    kept.append(event())
    assert (await run("export", "--format", "evt")).stdout_bytes.startswith(b"0\0\0\0LfLe")

    monkeypatch.setattr(event_export, "is_terminal", lambda: True)
    refused = await run("export", "--format", "evt")
    shown = await run("export")

    assert refused.exit_code == 2
    assert "--output FILE" in refused.output
    assert shown.exit_code == 0


# The client


async def test_following_with_the_client(server: tuple[str, EventStore]) -> None:
    """Events come as they happen; those behind a cursor come first; the end is an end."""
    url, store = server
    store.append(event(10048))
    which = EventFilter(ids=(4007,), after=0)
    followed = Client(url).follow_events(which)

    assert (await asyncio.to_thread(next, followed)).strings == ("10048",)
    store.append(event(id=1))
    store.append(event(10049))
    assert (await asyncio.to_thread(next, followed)).strings == ("10049",)
    await store.close()
    assert await asyncio.to_thread(next, followed, None) is None


async def test_following_nobody() -> None:
    """A server that isn't there is named."""
    with pytest.raises(ServerUnreachableError, match=re.escape("127.0.0.1:1")):
        await asyncio.to_thread(next, Client("http://127.0.0.1:1").follow_events())
