"""The routes of a release, ours and Mailpit's, over a relay that only notes what it is given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest

from bindpost.server.message.job import Job
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web.app import create_app

from ..fixtures import memory_store as memory_store

OURS = "/api/bindpost/v1/messages/{}/release"
MAILPITS = "/api/v1/message/{}/release"
MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
BOTH = pytest.mark.parametrize("path", [OURS, MAILPITS])


def job(number: int, message_id: str) -> Job:
    """Give what the relay answers."""
    return Job(
        id=number,
        message_id=message_id,
        kind="release",
        state="queued",
        attempts=0,
        created=MOMENT,
        due=MOMENT,
        error="",
        recipients=(),
    )


class NotingRelay:
    """A relay that notes what it is given, and refuses `bad`: a fake."""

    server = "relay.example:25"
    allowed: Sequence[str] = ()

    def __init__(self) -> None:
        self.given: list[tuple[str, Sequence[str] | None]] = []

    async def release(self, row: MessageRow, to: Sequence[str] | None) -> Job:
        """Note a release."""
        if to == ["bad"]:
            raise ValueError("Invalid email address: bad")
        self.given.append((row.id, to))
        return job(len(self.given), row.id)

    async def jobs(self, message_id: str) -> list[Job]:
        """Give a job for each release."""
        return [job(n, given) for n, (given, _) in enumerate(self.given, 1) if given == message_id]


@pytest.fixture
async def row(store: MemoryStore) -> MessageRow:
    """Give a message that is kept."""
    facts = SessionFacts(new_id(), utc_now(), "127.0.0.1:1025", "direct:", "ims-5.5")
    envelope = Envelope("a@x", (Recipient("b@x"),))
    return await store.add(Message(new_id(), utc_now(), envelope, facts, b""), ())


@pytest.fixture
def relay() -> NotingRelay:
    """Give a relay."""
    return NotingRelay()


@asynccontextmanager
async def client_of(
    store: MemoryStore, relay: NotingRelay | None
) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the web app over a store and a relay."""
    app = create_app(store, ready=lambda: True, version="1", relay=relay)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.fixture
async def http(store: MemoryStore, relay: NotingRelay) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client."""
    async with client_of(store, relay) as client:
        yield client


async def test_a_release_answers_with_its_job(
    http: httpx.AsyncClient, row: MessageRow, relay: NotingRelay
) -> None:
    """Our release gives the addresses on and answers with the job."""
    response = await http.post(OURS.format(row.id), json={"to": ["c@d"]})

    assert (response.status_code, response.json()["id"]) == (200, 1)
    assert relay.given == [(row.id, ["c@d"])]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"to": null}'])
async def test_without_addresses_it_goes_to_its_own(
    http: httpx.AsyncClient, row: MessageRow, relay: NotingRelay, body: bytes
) -> None:
    """Our release without addresses means the message's own; `latest` is the newest message."""
    await http.post(OURS.format("latest"), content=body)

    assert relay.given == [(row.id, None)]


async def test_no_addresses_are_not_its_own(
    http: httpx.AsyncClient, row: MessageRow, relay: NotingRelay
) -> None:
    """An empty list is given on as that; the relay refuses it."""
    await http.post(OURS.format(row.id), json={"to": []})

    assert relay.given == [(row.id, [])]


async def test_the_jobs_of_a_message(http: httpx.AsyncClient, row: MessageRow) -> None:
    """What became of a message's releases is told."""
    await http.post(OURS.format(row.id))

    answer = (await http.get(OURS.format(row.id))).json()
    assert [one["id"] for one in answer["jobs"]] == [1]


@pytest.mark.parametrize("key", ["To", "to"])
async def test_mailpits_release_answers_ok(
    http: httpx.AsyncClient, row: MessageRow, relay: NotingRelay, key: str
) -> None:
    """Mailpit's release gives the addresses on and answers `ok`; keys are in any case."""
    response = await http.post(MAILPITS.format(row.id), json={key: ["c@d", "e@f"]})

    assert (response.status_code, response.text) == (200, "ok")
    assert relay.given == [(row.id, ["c@d", "e@f"])]


async def test_mailpits_release_names_its_addresses(
    http: httpx.AsyncClient, row: MessageRow, relay: NotingRelay
) -> None:
    """Without addresses Mailpit's release doesn't mean the message's own."""
    await http.post(MAILPITS.format(row.id), json={})

    assert relay.given == [(row.id, [])]


@BOTH
async def test_a_refusal_is_told(http: httpx.AsyncClient, row: MessageRow, path: str) -> None:
    """What the relay refuses is a 400 with its words."""
    response = await http.post(path.format(row.id), json={"To": ["bad"]})

    assert (response.status_code, response.text) == (400, "Invalid email address: bad")


@BOTH
@pytest.mark.parametrize("body", [b"{", b"[]", b'{"to": "a@b"}', b'{"to": [1]}', b"\xff"])
async def test_a_body_that_is_none(
    http: httpx.AsyncClient, row: MessageRow, relay: NotingRelay, path: str, body: bytes
) -> None:
    """A body that can't be read releases nothing."""
    response = await http.post(path.format(row.id), content=body)

    assert response.status_code == 400
    assert response.text.startswith("Nothing was released")
    assert relay.given == []


@BOTH
@pytest.mark.parametrize("message_id", [pytest.param(new_id(), id="new"), "x", "%0d%0a"])
async def test_an_unknown_message(http: httpx.AsyncClient, path: str, message_id: str) -> None:
    """An id that names no message is not found, whatever the body."""
    response = await http.post(path.format(message_id), content=b"{")

    assert (response.status_code, response.text) == (404, "404 page not found")


async def test_latest_is_no_id_of_mailpits_release(
    http: httpx.AsyncClient, row: MessageRow
) -> None:
    """Mailpit releases by id only."""
    assert (await http.post(MAILPITS.format("latest"), json={"To": ["a@b"]})).status_code == 404
    assert row.id


@pytest.mark.parametrize(("method", "path"), [("POST", OURS), ("POST", MAILPITS), ("GET", OURS)])
async def test_a_relay_that_is_off_is_told(
    store: MemoryStore, row: MessageRow, method: str, path: str
) -> None:
    """Without a relay the answer says so, and what to set."""
    async with client_of(store, None) as client:
        response = await client.request(method, path.format(row.id), json={"To": ["a@b"]})

    assert response.status_code == 400
    assert "relay is off" in response.text
    assert "relay.server" in response.text
