"""A release from outside: by Mailpit's API, by the client and at a prompt, down to the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from bindpost import events
from bindpost.cli import main
from bindpost.client import Client, MessageNotFoundError, ReleaseRefusedError
from bindpost.config.endpoint import Endpoint
from bindpost.server.message.model import new_id
from bindpost.server.store.memory import MemoryStore
from bindpost.server.web.app import create_app
from bindpost.server.web.server import WebServer

from .conftest import Deliver, Log, Run
from .mta import Mta

Prompt = Callable[..., Awaitable[Result]]


@pytest.fixture
async def url(run: Run, store: MemoryStore) -> AsyncIterator[str]:
    """Give the URL of a server with a relay."""
    async with run(allowed=("*@example.org",)) as relay:
        app = create_app(store, ready=lambda: True, version="1", relay=relay)
        server = WebServer(Endpoint("127.0.0.1", 0))
        await server.bind()
        await server.serve(app)
        yield server.url
        await server.stop()


@pytest.fixture
async def url_without(store: MemoryStore) -> AsyncIterator[str]:
    """Give the URL of a server without a relay."""
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(create_app(store, ready=lambda: True, version="1"))
    yield server.url
    await server.stop()


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Prompt:
    """Give a function that runs `bindpost mail release`."""
    monkeypatch.chdir(tmp_path)

    async def prompt(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, main, ["mail", "release", *arguments])

    return prompt


async def test_mailpits_way(url: str, deliver: Deliver, mta: Mta, store: MemoryStore) -> None:
    """A client of Mailpit's API releases a message, and the server gets its bytes."""
    row = await deliver()
    async with httpx.AsyncClient(base_url=url) as http:
        response = await http.post(
            f"/api/v1/message/{row.id}/release", json={"To": ["b@example.org"]}
        )
        refused = await http.post(f"/api/v1/message/{row.id}/release", json={"To": ["b@x"]})
        nobody = await http.post(f"/api/v1/message/{row.id}/release", json={})
    mails = await mta.wait_for(1)

    assert response.text == "ok"
    assert mails[0].raw == await store.raw(row.id)
    assert refused.text == "Failed: 1 Address do not match the allowlist: b@x"
    assert (nobody.status_code, nobody.text) == (400, "No valid addresses found")


async def test_the_clients_way(url: str, deliver: Deliver, mta: Mta, log: Log) -> None:
    """The client's release gives the job, and its releases what became of it."""
    row = await deliver()
    job = await asyncio.to_thread(Client(url).release, row.id, ["jane@example.org"])
    await log.wait_for(events.RELAY_SENT)
    (sent,) = await asyncio.to_thread(Client(url).releases, row.id)

    assert (job.message_id, job.kind) == (row.id, "release")
    assert (sent.id, sent.state, sent.attempts, sent.due) == (job.id, "sent", 1, None)
    assert (sent.recipients[0].address, sent.recipients[0].code) == ("jane@example.org", 250)
    assert [mail.recipients for mail in mta.mails] == [["<jane@example.org>"]]


async def test_the_client_tells_a_refusal(url: str, url_without: str, deliver: Deliver) -> None:
    """An address that is none, a message that isn't there and a relay that is off are told."""
    row = await deliver()
    with pytest.raises(ReleaseRefusedError, match="Invalid email address: nobody"):
        await asyncio.to_thread(Client(url).release, row.id, ["nobody"])
    with pytest.raises(MessageNotFoundError, match="has no message"):
        await asyncio.to_thread(Client(url).release, new_id())
    with pytest.raises(ReleaseRefusedError, match=r"set relay\.server"):
        await asyncio.to_thread(Client(url_without).release, row.id)


async def test_at_a_prompt(url: str, deliver: Deliver, mta: Mta, prompt: Prompt) -> None:
    """Several messages are released at once, each told with its recipients."""
    rows = [await deliver(to=["b@example.org", "c@example.org"]) for _ in range(2)]
    result = await prompt(rows[0].id, rows[1].id, "--server", url)
    mails = await mta.wait_for(2)

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{row.id} queued for b@example.org, c@example.org" for row in rows
    ]
    assert [mail.recipients for mail in mails] == [["<b@example.org>", "<c@example.org>"]] * 2


async def test_at_a_prompt_to_others(url: str, deliver: Deliver, mta: Mta, prompt: Prompt) -> None:
    """`--to` names other recipients; with --json the jobs are printed."""
    row = await deliver()
    result = await prompt(
        row.id, "--to", "x@example.org", "--to", "y@example.org", "--json", "--server", url
    )
    mails = await mta.wait_for(1)

    (job,) = json.loads(result.stdout)
    assert job["message_id"] == row.id
    assert mails[0].recipients == ["<x@example.org>", "<y@example.org>"]


async def test_at_a_prompt_a_failure_is_told(
    url: str, deliver: Deliver, mta: Mta, prompt: Prompt
) -> None:
    """What was queued before a failure is told with it."""
    row = await deliver()
    unknown = new_id()
    result = await prompt(row.id, unknown, "--json", "--server", url)
    await mta.wait_for(1)

    assert result.exit_code == 1
    assert [job["message_id"] for job in json.loads(result.stdout)] == [row.id]
    assert unknown in result.stderr


async def test_at_a_prompt_an_id_is_needed(prompt: Prompt) -> None:
    """Without an id nothing is released."""
    assert (await prompt()).exit_code == 2
