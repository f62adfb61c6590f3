"""Webhooks, with a real receiver that answers, fails, hangs, redirects."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest

from bindpost import events as catalogue
from bindpost.config.model import Webhook
from bindpost.proxy.local import free_port
from bindpost.server.message.model import utc_now
from bindpost.server.smtp.tls import self_signed_pem
from bindpost.server.store.mailbox import MailboxView
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.web.app import create_app
from bindpost.server.webhook import Hook, Webhooks
from bindpost.server.webhook.queue import Queue
from bindpost.server.webhook.signature import key_of, sign
from bindpost.server.webhook.worker import Worker

from ...clock import Clock
from ..conftest import Events
from .conftest import CLOSE, GARBAGE, HANG, Receiver, Run, add

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def test_a_message_is_told(run: Run, store: MemoryStore, events: Events) -> None:
    """The request has the message as the API has it, and a signature that is right."""
    app = create_app(store, ready=lambda: True, version="1")
    async with (
        Receiver().running() as receiver,
        run(store, {"url": receiver.url, "secret": SECRET}),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        ) as client,
    ):
        row = await add(store)
        (request,) = await receiver.wait_for(1)
        delivered = await events.wait_for(catalogue.WEBHOOK_DELIVERED)
        listed = (await client.get("/api/bindpost/v1/messages")).json()["messages"]

    assert request.path == "/hook?x=1"
    assert request.headers["content-type"] == "application/json"
    assert request.data == listed[0]
    assert request.data["id"] == row.id
    fields = request.headers
    assert fields["webhook-signature"] == sign(
        key_of(SECRET), request.id, int(fields["webhook-timestamp"]), request.body
    )
    assert (delivered["delivery"], delivered["status"]) == (request.id, 204)


async def test_a_message_of_another_inbox_is_not_told(run: Run, store: MemoryStore) -> None:
    """It is no new mail; what comes behind it is told."""
    async with Receiver().running() as receiver, run(store, {"url": receiver.url}):
        await add(store, moved=utc_now())
        row = await add(store)
        requests = await receiver.wait_for(1)

    assert [request.data["id"] for request in requests] == [row.id]


async def test_what_another_node_took_is_not_told(run: Run, store: MemoryStore) -> None:
    """It is that node's to tell of; what is nobody's, from before nodes had names, is told."""
    async with Receiver().running() as receiver, run(store, {"url": receiver.url}, node="a"):
        await add(store, node="b")
        wanted = [await add(store, node="a"), await add(store)]
        requests = await receiver.wait_for(2)

    assert {request.data["id"] for request in requests} == {row.id for row in wanted}


async def test_without_a_secret_nothing_is_signed(run: Run, store: MemoryStore) -> None:
    """There is no field then, so that no receiver thinks that there was a key."""
    async with Receiver().running() as receiver, run(store, {"url": receiver.url}):
        await add(store)
        (request,) = await receiver.wait_for(1)

    assert "webhook-signature" not in request.headers


async def test_only_what_matches_is_told(run: Run, store: MemoryStore) -> None:
    """Messages that a filter leaves out are passed over."""
    async with (
        Receiver().running() as receiver,
        run(store, {"url": receiver.url, "recipients": ("ann@*",)}),
    ):
        await add(store)
        wanted = await add(store, to=("bob@example.com", "Ann@example.com"))
        requests = await receiver.wait_for(1)

    assert [request.data["id"] for request in requests] == [wanted.id]


@pytest.mark.parametrize("failure", [500, 404, 302, 304, CLOSE, GARBAGE, HANG])
async def test_a_failure_is_tried_again_with_the_same_id(
    run: Run, store: MemoryStore, events: Events, failure: int, clock: Clock
) -> None:
    """Whatever went wrong; the log says what, and when it is tried again."""
    async with (
        Receiver(failure, failure).running() as receiver,
        run(store, {"url": receiver.url, "timeout": 10.0}),
    ):
        await add(store)
        if failure == HANG:
            for number in (1, 2):
                await receiver.wait_for(number)
                await clock.move_on(10)
        requests = await receiver.wait_for(3)
        delivered = await events.wait_for(catalogue.WEBHOOK_DELIVERED)

    assert len({request.id for request in requests}) == 1
    assert len({request.body for request in requests}) == 1
    assert delivered["attempt"] == 3
    delayed = events.of(catalogue.WEBHOOK_DELAYED)
    assert [fields["attempt"] for fields in delayed] == [2, 3]
    assert all(fields["reason"] and fields["hint"] for fields in delayed)
    assert delayed[0]["status"] == (failure if failure > 0 else None)


async def test_a_redirect_is_not_followed(run: Run, store: MemoryStore, events: Events) -> None:
    """Where it leads nobody hears of anything."""
    async with Receiver().running() as inside:
        location = f"http://127.0.0.1:{inside.port}/"
        async with (
            Receiver(307, location=location).running() as receiver,
            run(store, {"url": receiver.url, "attempts": 1}),
        ):
            await add(store)
            failed = await events.wait_for(catalogue.WEBHOOK_FAILED)

    assert failed["status"] == 307
    assert "redirects are not followed" in failed["hint"]
    assert inside.requests == []


@pytest.mark.parametrize(("status", "attempts", "made"), [(500, 2, 2), (410, 5, 1)])
async def test_a_delivery_is_given_up(
    run: Run, store: MemoryStore, events: Events, status: int, attempts: int, made: int
) -> None:
    """After the last attempt, or at once by 410; the state tells, and the next message goes out."""
    async with (
        Receiver(*[status] * made).running() as receiver,
        run(store, {"url": receiver.url, "attempts": attempts}) as webhooks,
    ):
        await add(store)
        failed = await events.wait_for(catalogue.WEBHOOK_FAILED)
        await add(store)
        await receiver.wait_for(made + 1)
        await events.wait_for(catalogue.WEBHOOK_DELIVERED)
        (state,) = await webhooks.states()

    assert (failed["attempt"], failed["status"]) == (made, status)
    assert (state.waiting, state.delivered, state.given_up) == (0, 1, 1)
    newest, given_up = state.deliveries
    assert (newest.state, newest.due) == ("delivered", None)
    assert (given_up.state, given_up.status, given_up.attempts) == ("given_up", status, made)
    assert f"answered {status}" in given_up.error


async def test_nobody_there_is_told(run: Run, store: MemoryStore, events: Events) -> None:
    """A port on which nothing listens."""
    url = f"http://127.0.0.1:{free_port()}/secret"
    async with run(store, {"url": url, "attempts": 1}):
        await add(store)
        failed = await events.wait_for(catalogue.WEBHOOK_FAILED)

    assert failed["status"] is None
    assert "refused" in failed["reason"].lower()
    assert "secret" not in str(failed)


async def test_a_forbidden_address_is_never_connected_to(
    run: Run, store: MemoryStore, events: Events
) -> None:
    """0.0.0.0 is this machine, and no loopback by its name; `networks` allows it."""
    async with Receiver().running() as receiver:
        url = f"http://0.0.0.0:{receiver.port}/"
        async with run(store, {"url": url, "attempts": 1}):
            await add(store)
            failed = await events.wait_for(catalogue.WEBHOOK_FAILED)
        assert receiver.requests == []

        async with run(store, {"url": url, "networks": ("0.0.0.0",)}):
            await add(store)
            await receiver.wait_for(1)

    assert "where no webhook may go" in failed["reason"]


async def test_one_that_hangs_holds_up_nobody(run: Run, store: MemoryStore) -> None:
    """Neither the sessions nor another webhook."""
    async with (
        Receiver(*[HANG] * 99).running() as stuck,
        Receiver().running() as receiver,
        run(store, {"url": stuck.url, "name": "stuck"}, {"url": receiver.url}),
    ):
        for _ in range(10):
            await add(store)
        requests = await receiver.wait_for(10)

    assert len({request.id for request in requests}) == 10


async def test_marks_and_deletions_are_told_if_asked_for(run: Run, store: MemoryStore) -> None:
    """With the ids; in this order, since one waits for the other here."""
    types = ("message.marked", "message.tagged", "message.deleted")
    async with (
        Receiver().running() as receiver,
        run(store, {"url": receiver.url, "events": types}),
    ):
        row = await add(store)
        await store.mark([row.id], read=True)
        await receiver.wait_for(1)
        await store.delete(None)
        requests = await receiver.wait_for(2)

    assert [request.data for request in requests] == [
        {"ids": [row.id], "cause": "ids", "read": True},
        {"ids": [row.id], "cause": "all"},
    ]


async def test_what_happens_in_a_mailbox_only_is_not_told(run: Run) -> None:
    """A message that was taken out of one of its mailboxes is not deleted, so nobody is told."""
    store = MemoryStore(sort=lambda *_: ("a", "b"))
    async with (
        Receiver().running() as receiver,
        run(store, {"url": receiver.url, "events": ("message.deleted",)}),
    ):
        row = await add(store)
        await MailboxView(store, "a").delete([row.id])
        await MailboxView(store, "b").delete([row.id])
        requests = await receiver.wait_for(1)

    assert [request.data for request in requests] == [{"ids": [row.id], "cause": "ids"}]


async def test_a_full_queue_waits_and_loses_nothing(run: Run, store: MemoryStore) -> None:
    """The store is followed no further until there is room."""
    port = free_port()
    table = Webhook(name="ci", url=f"http://127.0.0.1:{port}/", first_pause=0.01, attempts=100)
    hook = Hook.load_all([table], folder=Path())[0]
    queue = await Queue.open(":memory:", ["ci"], cursor=0)
    worker = Worker(hook, store, queue, waiting=2)
    rows = [await add(store) for _ in range(6)]
    await worker.start()
    try:
        receiver = Receiver()
        async with receiver.running(port):
            requests = await receiver.wait_for(6)
    finally:
        await worker.stop(grace=5)
        await queue.close()

    assert {request.data["id"] for request in requests} == {row.id for row in rows}


async def test_a_queue_outlives_a_restart(run: Run, tmp_path: Path, events: Events) -> None:
    """What waited is delivered by the next one, and so is what came in between; each once."""
    port = free_port()
    table = {"url": f"http://127.0.0.1:{port}/", "first_pause": 3600.0}
    folder = tmp_path / "data"
    store = await SqliteStore.open(folder)
    async with run(store, table, data=folder):
        first = await add(store)
        await events.wait_for(catalogue.WEBHOOK_DELAYED)
    second = await add(store)
    await store.close()

    store = await SqliteStore.open(folder)
    receiver = Receiver()
    async with receiver.running(port), run(store, table, data=folder, grace=5):
        requests = await receiver.wait_for(2)
        await events.wait_for_all(catalogue.WEBHOOK_DELIVERED, 2)
    async with run(store, table, data=folder) as webhooks:
        (state,) = await webhooks.states()
    await store.close()

    assert {request.data["id"] for request in requests} == {first.id, second.id}
    assert (state.waiting, state.delivered) == (0, 2)
    waited = next(each for each in state.deliveries if each.attempts == 2)
    assert waited.id == next(r.id for r in requests if r.data["id"] == first.id)


async def test_a_webhook_that_is_gone_loses_its_queue(
    run: Run, tmp_path: Path, events: Events
) -> None:
    """When it is there again, it begins anew."""
    folder = tmp_path / "data"
    store = await SqliteStore.open(folder)
    table = {"url": f"http://127.0.0.1:{free_port()}/", "first_pause": 3600.0}
    async with run(store, table, data=folder):
        await add(store)
        await events.wait_for(catalogue.WEBHOOK_DELAYED)
    async with run(store, data=folder):
        await add(store)
    async with run(store, table, data=folder) as webhooks:
        (state,) = await webhooks.states()
    await store.close()

    assert (state.waiting, state.deliveries) == (0, ())


async def test_the_api_tells_of_webhooks(run: Run, store: MemoryStore, events: Events) -> None:
    """What waits, and what became of the newest; neither secret nor path."""
    async with (
        Receiver().running() as receiver,
        run(store, {"url": receiver.url, "secret": SECRET}) as webhooks,
    ):
        await add(store)
        await events.wait_for(catalogue.WEBHOOK_DELIVERED)
        answer = await _ask(store, webhooks)

    (state,) = answer.json()["webhooks"]
    assert (state["name"], state["signed"], state["delivered"]) == ("ci", True, 1)
    assert state["target"] == f"http://127.0.0.1:{receiver.port}"
    assert state["deliveries"][0]["status"] == 204
    assert SECRET not in answer.text
    assert "/hook" not in answer.text
    assert (await _ask(store, None)).json() == {"webhooks": []}


@pytest.mark.parametrize("trusted", [True, False])
async def test_https_is_checked(
    run: Run, store: MemoryStore, events: Events, tmp_path: Path, *, trusted: bool
) -> None:
    """A certificate that isn't trusted is no receiver; `ca_file` says which are."""
    pem = tmp_path / "cert.pem"
    pem.write_bytes(self_signed_pem("localhost"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    async with Receiver(tls=context).running() as receiver:
        table = {"url": f"https://localhost:{receiver.port}/", "attempts": 1}
        if trusted:
            table["ca_file"] = "cert.pem"
        async with run(store, table):
            await add(store)
            if trusted:
                await receiver.wait_for(1)
            else:
                failed = await events.wait_for(catalogue.WEBHOOK_FAILED)
                assert "TLS" in failed["reason"]
                assert receiver.requests == []


async def _ask(store: MemoryStore, webhooks: Webhooks | None) -> httpx.Response:
    app = create_app(store, ready=lambda: True, version="1", webhooks=webhooks)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get("/api/bindpost/v1/webhooks")
