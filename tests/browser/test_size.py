"""An inbox of many messages: it is there at once, scrolls, stays small, and takes what comes."""

from __future__ import annotations

import asyncio
import re
import smtplib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

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
KEPT = 400
"""Rows that stay in the page; see static/listing.js."""
BURST = 300
BURSTS = 3
LONGEST_TASK = 200
"""Milliseconds."""

NO_GAP_IN_VIEW = """() => [...document.querySelectorAll(".gap")].every((gap) => {
    const { top, bottom } = gap.getBoundingClientRect();
    return bottom < 0 || top > innerHeight;
})"""
PUT_ROWS_IN = """() => {
    const list = document.createElement("ol");
    list.className = "rows";
    const html = document.querySelector("#rows").innerHTML;
    let longest = 0;
    for (let round = 0; round < 50; round += 1) {
        const start = performance.now();
        list.innerHTML = html;
        document.body.append(list);
        list.getBoundingClientRect();
        list.remove();
        longest = Math.max(longest, performance.now() - start);
    }
    return longest;
}"""
LONG_TASKS = """
    globalThis.longTasks = [];
    new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) longTasks.push(duration);
    }).observe({ type: "longtask", buffered: true });
"""


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


def send_burst(serving: Serving, count: int) -> None:
    """Send so many messages in one session, as fast as they are taken."""
    with smtplib.SMTP(*serving.smtp) as client:
        for number in range(count):
            client.sendmail("a@example.test", ["b@example.test"], f"Subject: Burst {number}\n\nx")


@contextmanager
def serve_many(count: int, folder: Path) -> Iterator[Serving]:
    """Start a server whose inbox has so many messages."""
    with ThreadPoolExecutor(1) as thread:  # this thread's loop is the browser's
        thread.submit(lambda: asyncio.run(fill_store(folder / "data", count))).result()
    options = ["--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--data", "data"]
    serving = Serving(options, folder=folder)
    try:
        yield serving.wait_ready()
    finally:
        serving.cleanup()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Give a server of 10,000 messages, for all tests of the module."""
    with serve_many(10_000, tmp_path_factory.mktemp("filled")) as serving:
        yield serving


@pytest.fixture
def inbox(filled: Serving, open_page: OpenPage) -> Page:
    """Give its inbox in a browser."""
    page = open_page()
    page.goto(filled.ready["bindpost"]["web"])
    expect(page.locator(".row")).to_have_count(PAGE)
    return page


def cursor_of(row: Locator) -> int:
    """Give the cursor of the message that a row shows."""
    return int(row.get_attribute("data-cursor") or "")


def load(page: Page, pages: int) -> None:
    """Scroll to the end of the list until so many more pages of it have come."""
    end = page.locator("#rows .more a")
    for _ in range(pages):
        before = end.get_attribute("data-next")
        page.locator("#rows").evaluate("list => list.scrollTop = list.scrollHeight")
        expect(end).not_to_have_attribute("data-next", before or "")


def height(page: Page) -> int:
    """Give how high the list is, with all that is loaded."""
    found: int = page.locator("#rows").evaluate("list => list.scrollHeight")
    return found


def test_the_list_never_loads_everything(inbox: Page) -> None:
    """A page comes at once, more when the list is scrolled, and the oldest by searching."""
    rows = inbox.locator(".row")
    newest = cursor_of(rows.first)

    for pages in range(2, 8):
        inbox.locator("#rows").evaluate("list => list.scrollTop = list.scrollHeight")
        expect(rows).to_have_count(pages * PAGE)
    assert cursor_of(rows.last) <= newest - 7 * PAGE + 1

    inbox.locator("#q").fill('subject:"No. 3."')
    expect(inbox.locator(".row .subject bdi")).to_have_text(["No. 3."])


def test_what_is_far_from_the_view_is_no_longer_in_the_page(inbox: Page) -> None:
    """However far one scrolls, there are so many rows; going back finds each in its place."""
    rows = inbox.locator(".row")
    newest = cursor_of(rows.first)
    load(inbox, 14)
    high = height(inbox)

    assert rows.count() <= KEPT + PAGE
    assert inbox.locator(".gap").count() > 0
    for part in (high / 2, high / 4, 0):
        inbox.locator("#rows").evaluate("(list, top) => list.scrollTop = top", part)
        inbox.wait_for_function(NO_GAP_IN_VIEW)
    assert cursor_of(rows.first) == newest
    assert rows.count() <= KEPT + 2 * PAGE
    assert abs(height(inbox) - high) < high / 50


def test_the_keyboard_goes_through_what_was_let_go(inbox: Page) -> None:
    """Up from a row beside a gap is the row that was there."""
    load(inbox, 12)
    row = inbox.locator(".gap + .row").first
    cursor = cursor_of(row)
    focused = inbox.locator(".row:has(a:focus)")

    row.locator("a").evaluate("link => link.focus({ preventScroll: true })")
    inbox.keyboard.press("k")

    expect(focused).not_to_have_attribute("data-cursor", str(cursor))
    assert cursor_of(focused) == cursor_of(inbox.locator(f".row:has(+ [data-cursor='{cursor}'])"))


def test_a_selection_reaches_beyond_the_page(filled: Serving, inbox: Page) -> None:
    """All that a search finds is deleted, but for what was let go, though few rows are there."""
    found = filled.client.messages(subject="No. 55", limit=200)
    assert len(found) == 111
    inbox.locator("#q").fill('subject:"No. 55"')
    expect(inbox.locator("#rows .more")).to_have_count(1)
    expect(inbox.locator(".row .subject bdi").first).to_have_text(found[0].fields.subject)

    inbox.locator("[data-do=select-all]").click()
    expect(inbox.locator("#count")).to_have_text("All found selected")
    load(inbox, 1)
    expect(inbox.locator(".row.checked")).to_have_count(2 * PAGE)
    inbox.locator(".row input").first.uncheck()
    inbox.locator("#bulk [data-do=delete]").click()
    inbox.locator("#question").get_by_role("button", name="Delete").click()

    expect(inbox.get_by_text("110 messages deleted")).to_be_visible()
    expect(inbox.locator(".row")).to_have_count(1)
    assert [kept.id for kept in filled.client.messages(subject="No. 55")] == [found[0].id]


def test_a_burst_of_mail_moves_nothing_that_is_read(filled: Serving, inbox: Page) -> None:
    """What comes while one reads further down waits behind a button, and asks the server little."""
    load(inbox, 2)
    row = inbox.locator(".row").nth(40)
    row.evaluate("row => row.scrollIntoView({ block: 'center' })")
    known = inbox.locator(f"#{row.get_attribute('id')}")
    count = int((inbox.locator("#count").text_content() or "").split()[0])
    asked: list[str] = []
    inbox.on("request", lambda request: asked.append(request.url))
    held: list[Route] = []
    news = re.compile(r"[?&]after=\d")
    inbox.route(news, lambda route: held.append(route))  # until all have come

    send_burst(filled, BURST)

    expect(inbox.locator("#count")).to_have_text(f"{count + BURST} messages")
    for route in held:
        route.continue_()
    inbox.unroute(news)
    expect(known).to_be_in_viewport()
    expect(inbox.locator("#news")).to_be_visible()
    assert len(asked) < BURST / 2
    inbox.locator("#news").click()
    expect(inbox.locator(".row .subject bdi").first).to_have_text(f"Burst {BURST - 1}")


@pytest.mark.long
def test_a_hundred_thousand_do_not_freeze_the_page(tmp_path: Path, open_page: OpenPage) -> None:
    """Scrolled through, and while mail comes as fast as it can, no task takes 200 ms."""
    with serve_many(100_000, tmp_path) as serving:
        page = open_page()
        page.add_init_script(LONG_TASKS)
        page.goto(serving.ready["bindpost"]["web"])
        expect(page.locator("#count")).to_have_text("100000 messages")
        expect(page.locator(".row")).to_have_count(PAGE)
        page.evaluate("longTasks.length = 0")  # the page's start is not what this is about

        load(page, 40)
        rows = page.locator(".row").count()
        page.locator("#rows").evaluate("list => list.scrollTop = 0")
        page.wait_for_function(NO_GAP_IN_VIEW)
        for _ in range(BURSTS):
            send_burst(serving, BURST)
        expect(page.locator("#count")).to_have_text(f"{100_000 + BURSTS * BURST} messages")
        expect(page.locator(".row .subject bdi").first).to_have_text(f"Burst {BURST - 1}")

        assert rows <= KEPT + PAGE
        tasks = page.evaluate("longTasks")
        # On a machine with much else to do everything takes longer, putting rows in, too.
        assert max(tasks, default=0) < max(LONGEST_TASK, 4 * page.evaluate(PUT_ROWS_IN))
