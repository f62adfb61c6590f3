"""Search in steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest

from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web import searching
from bindpost.server.web.searching import find_text

Deliver = Callable[..., Awaitable[MessageRow]]


def subject(text: str) -> bytes:
    """Give a message with this subject."""
    return f"Subject: {text}\r\n\r\n".encode()


async def test_going_on_finds_each_once(
    store: MemoryStore, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small the pages and short the steps, all are found, newest first."""
    monkeypatch.setattr(searching, "_WINDOW", 3)
    monkeypatch.setattr(searching, "PATIENCE", 0.0)
    monkeypatch.setattr(searching, "_AT_ONCE", -1.0)
    rows = [await deliver(subject("even" if number % 2 == 0 else "odd")) for number in range(20)]
    found: list[str] = []
    before: int | None = None
    while True:
        page = await find_text(store, "even", limit=2, before=before)
        found += [row.id for row in page.rows]
        if page.next is None:
            break
        assert before is None or page.next < before
        before = page.next

    assert found == [row.id for row in reversed(rows) if row.fields.subject == "even"]


async def test_between_two_cursors(store: MemoryStore, deliver: Deliver) -> None:
    """A search keeps to what is behind one cursor and in front of another."""
    rows = [await deliver(subject("x")) for _ in range(5)]

    for text in ("", "subject:x"):
        page = await find_text(store, text, limit=9, before=rows[4].cursor, after=rows[1].cursor)
        assert page.rows == [rows[3], rows[2]]
        assert page.next is None


async def test_what_cannot_be_read_is_told(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """A search that is half typed finds nothing and says why, and is no error."""
    await deliver()

    answer = await http.get("/", params={"q": "after:20"})

    assert answer.status_code == 200
    assert "is not a date that can be read" in answer.text
    assert 'class="row ' not in answer.text
