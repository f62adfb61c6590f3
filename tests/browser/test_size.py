"""An inbox of many messages: it is there at once, scrolls, and is searched to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import expect

from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.store.sqlite import SqliteStore
from bindpost.testing import Serving

from .conftest import OpenPage

AT_ONCE = 1_000
PAGE = 50

Fill = Callable[[int], Serving]


async def fill_store(folder: Path, count: int) -> None:
    """Keep so many messages in the database of a folder."""
    store = await SqliteStore.open(folder)
    session = SessionFacts(new_id(), utc_now(), "127.0.0.1:1025", "direct:", "ims-5.5")
    envelope = Envelope("a@example.test", (Recipient("b@example.test"),))
    for start in range(0, count, AT_ONCE):
        messages = [
            Message(new_id(), utc_now(), envelope, session, b"Subject: No. %d.\r\n\r\nx" % number)
            for number in range(start, min(start + AT_ONCE, count))
        ]
        await asyncio.gather(*(store.add(message, ()) for message in messages))
    await store.close()


@pytest.fixture
def fill(tmp_path: Path) -> Iterator[Fill]:
    """Give a function that starts a server whose inbox has so many messages."""
    started: list[Serving] = []

    def fill(count: int) -> Serving:
        with ThreadPoolExecutor(1) as thread:  # this thread's loop is the browser's
            thread.submit(lambda: asyncio.run(fill_store(tmp_path / "data", count))).result()
        options = ["--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--data", "data"]
        serving = Serving(options, folder=tmp_path)
        started.append(serving)
        return serving.wait_ready()

    yield fill
    for serving in started:
        serving.cleanup()


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_the_list_never_loads_everything(count: int, fill: Fill, open_page: OpenPage) -> None:
    """A page comes at once, more when the list is scrolled, and the oldest by searching."""
    serving = fill(count)
    page = open_page()
    page.goto(serving.ready["bindpost"]["web"])
    rows = page.locator(".row")

    expect(page.locator("#count")).to_have_text(f"{count} messages")
    expect(rows).to_have_count(PAGE)
    for pages in range(2, 8):
        page.locator("#rows").evaluate("list => list.scrollTop = list.scrollHeight")
        expect(rows).to_have_count(pages * PAGE)
    assert rows.last.locator("bdi").nth(1).text_content() == f"No. {count - 7 * PAGE}."

    page.locator("#q").fill('subject:"No. 3."')
    expect(page.locator(".row .subject bdi")).to_have_text(["No. 3."])
