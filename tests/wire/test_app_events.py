"""What an app keeps of its own events: all, from the first to the last, and no other app's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import pytest
import uvloop

from bindpost import events
from bindpost.config.model import EventLog, Limits, Listener, Settings
from bindpost.errors import BindError, StoreError
from bindpost.events import EventType
from bindpost.server.app import Bindpost
from bindpost.server.store.events import EventQuery, KeptEvent
from bindpost.server.store.sqlite_event_file import EVENTS_FILE, read_file

PATIENCE: Final = 20.0
ANYWHERE: Final = Listener("127.0.0.1:0")
NOWHERE: Final = Listener("127.0.0.1:0", via="winsock://127.0.0.1:1")


def settings(*listeners: Listener, data: str = "data", **others: Any) -> Settings:
    """Give settings of a small app."""
    return Settings(listener=listeners or (ANYWHERE,), web="off", data=data, **others)


def kept(folder: Path) -> list[KeptEvent]:
    """Give what a data folder keeps, oldest first."""
    return read_file(folder / "data" / EVENTS_FILE)[::-1]


def is_a(event: KeptEvent, definition: EventType) -> bool:
    """Say whether an event is of a type."""
    return (event.source, event.id) == (definition.source, definition.id)


async def test_a_failed_start_is_kept_whole(tmp_path: Path) -> None:
    """After a start that failed the data folder has 4007, 4020 and Error 2140, in this order."""
    with pytest.raises(BindError):
        async with Bindpost(settings(NOWHERE), folder=tmp_path):
            pass

    failed, *others = kept(tmp_path)[-3:]

    assert is_a(failed, events.BIND_FAILED)
    assert failed.strings == ("10050",)
    assert failed.error["type"] == "WSAENETDOWN"
    assert failed.fields["hint"]
    assert [event.id for event in others] == [4020, events.SERVICE_START_FAILED.id]


async def test_the_end_itself_is_kept(tmp_path: Path) -> None:
    """The last event is 1001, though it is logged when all else is down; cursors go on after it."""
    for _ in range(2):
        async with Bindpost(settings(), folder=tmp_path) as app:
            assert app.events is not None

    found = kept(tmp_path)

    assert [event.cursor for event in found] == list(range(1, len(found) + 1))
    assert is_a(found[-1], events.SERVICE_STOPPED)
    assert sum(is_a(event, events.READY) for event in found) == 2
    assert {event.computer for event in found} == {socket.gethostname()}


async def test_a_reload_is_kept(tmp_path: Path) -> None:
    """What is done to an app from outside is its own event too."""
    async with Bindpost(settings(), folder=tmp_path) as app:
        await app.reload(settings(ANYWHERE, ANYWHERE), folder=tmp_path)

    assert any(is_a(event, events.RELOADED) for event in kept(tmp_path))


async def test_none_are_kept_where_none_shall_be(tmp_path: Path) -> None:
    """With `keep = 0` there is no file and no store."""
    async with Bindpost(settings(event_log=EventLog(keep=0)), folder=tmp_path) as app:
        assert app.events is None

    assert (tmp_path / "data" / "mail.db").exists()
    assert not (tmp_path / "data" / EVENTS_FILE).exists()


async def test_a_file_that_is_none_of_ours_stops_the_start(tmp_path: Path) -> None:
    """The app says what is wrong with the file, and lets go of the data folder."""
    path = tmp_path / "data" / EVENTS_FILE
    path.parent.mkdir()
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(StoreError, match="move the file away"):
        async with Bindpost(settings(), folder=tmp_path):
            pass

    path.unlink()
    async with Bindpost(settings(), folder=tmp_path):
        pass


LOOPS: Final = [
    pytest.param(asyncio.new_event_loop, id="asyncio"),
    pytest.param(uvloop.new_event_loop, id="uvloop"),
]


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_two_apps_in_a_process_keep_their_events_apart(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    """Each has its own start, sessions and end, and nothing of the other's."""

    async def refuse_a_session(app: Bindpost) -> None:
        assert app.events is not None
        told = app.events.follow(EventQuery(ids=(events.SESSION_REFUSED.id,)))
        address = app.smtp[0]
        reader, writer = await asyncio.open_connection(address.host, address.port)
        second = await asyncio.open_connection(address.host, address.port)
        await reader.readline()
        await anext(told)
        for end in (writer, second[1]):
            end.close()
            await end.wait_closed()

    async def run() -> None:
        limited = settings(data=":memory:", limits=Limits(sessions=1))
        async with asyncio.timeout(PATIENCE), AsyncExitStack() as stack:
            one = await stack.enter_async_context(Bindpost(limited, folder=tmp_path))
            two = await stack.enter_async_context(Bindpost(limited, folder=tmp_path))
            assert one.events is not None
            assert two.events is not None
            ends = [app.events.follow(EventQuery(after=0)) for app in (one, two) if app.events]
            await refuse_a_session(two)
            await stack.aclose()
        first, second = [[event async for event in end] for end in ends]
        refused = events.SESSION_REFUSED
        assert not any(is_a(event, refused) for event in first)
        assert sum(is_a(event, refused) for event in second) == 1
        for found in (first, second):
            assert sum(is_a(event, events.READY) for event in found) == 1
            assert is_a(found[-1], events.SERVICE_STOPPED)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(run())
