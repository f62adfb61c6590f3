"""bindpost's own API beside waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
import pytest

from bindpost.server.message.model import ClientCertificate, new_id
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web import searching

Deliver = Callable[..., Awaitable[MessageRow]]
API = "/api/bindpost/v1/messages"


async def test_a_message_tells_of_the_clients_certificate(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """What was verified of it; null where the client has shown none."""
    facts = {"subject": "CN=Ann", "issuer": "CN=Authority", "sha256": "ab" * 32, "name": "Ann"}
    shown = await deliver(certificate=ClientCertificate(**facts))
    none = await deliver()

    sessions = [(await http.get(f"{API}/{row.id}")).json()["session"] for row in (shown, none)]

    assert [session["client_certificate"] for session in sessions] == [facts, None]


async def test_a_message_tells_envelope_session_and_transcript(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """All that is known of a message is there, the envelope as received."""
    row = await deliver(
        b"Subject: Hi\r\nTo: x@y\r\n\r\ntext", to=("bob@example.com",), parameters={"SIZE": "9"}
    )

    message = (await http.get(f"{API}/{row.id}")).json()

    assert message["envelope"] == {
        "reverse_path": "alice@example.com",
        "recipients": [{"address": "bob@example.com", "parameters": {}}],
        "parameters": {"SIZE": "9"},
    }
    assert (message["cursor"], message["size"], message["read"]) == (row.cursor, row.size, False)
    assert message["session"]["peer"] == "127.0.0.1:50123"
    assert message["session"]["helo"] == "client.example"
    assert message["fields"]["to"] == "x@y"
    assert message["content"]["text"] == "text"
    assert message["content"]["headers"][0] == {"name": "Subject", "raw": "Hi", "text": "Hi"}
    assert message["transcript"] == [
        {"milliseconds": 0, "speaker": "S", "text": "220 ready"},
        {"milliseconds": 5, "speaker": "C", "text": "EHLO client.example"},
    ]


async def test_reading_leaves_the_flag(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """The own API has no side effects on reading."""
    await deliver()

    await http.get(f"{API}/latest")

    assert (await http.get(API)).json()["messages"][0]["read"] is False


async def test_raw_is_bytes_to_keep(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """The bytes are octets under the id's name, which no browser shows."""
    row = await deliver()

    response = await http.get(f"{API}/{row.id}/raw")

    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"] == f'attachment; filename="{row.id}.eml"'


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"{API}/{new_id()}", id="new"),
        pytest.param(f"{API}/{new_id()}/raw", id="new-raw"),
        f"{API}/x",
    ],
)
async def test_an_unknown_message_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    """An unknown id gives 404."""
    assert (await http.get(path)).status_code == 404


async def test_pages_follow_one_another(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """Each page's `next` leads to the messages behind it, until there are none."""
    rows = [await deliver() for _ in range(5)]
    seen: list[str] = []
    query = "limit=2"
    for _ in range(3):
        page = (await http.get(f"{API}?{query}")).json()
        seen += [message["id"] for message in page["messages"]]
        query = f"limit=2&before={page['next']}"

    assert seen == [row.id for row in reversed(rows)]
    assert page["next"] is None


async def test_the_list_is_filtered(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """The filters of `wait` hold for the list too."""
    await deliver(to=("x@example.com",))
    wanted = await deliver(b"Subject: Order 7\r\n\r\n", to=("y@example.com",))

    page = (await http.get(API, params={"recipient": "Y@example.com", "subject": "order"})).json()

    assert [message["id"] for message in page["messages"]] == [wanted.id]


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"query": "secret"}, [2, 0]),
        ({"query": "secret from:jane"}, [0]),
        ({"query": "-secret"}, [1]),
        ({"query": "secret", "recipient": "BOB@example.com"}, [2, 0]),
        ({"query": "secret", "sender": "jane@example.com"}, []),
        ({"subject_regex": r"^Order \d+$"}, [2, 1]),
        ({"header": "X-Trace: second"}, [1]),
        ({"header_regex": "X-Trace: ^sec", "query": "order"}, [1]),
        ({"has_link": "true"}, [0]),
        ({"query": "secret", "limit": "1"}, [2]),
    ],
)
async def test_the_list_is_searched(
    http: httpx.AsyncClient, deliver: Deliver, parameters: dict[str, str], found: list[int]
) -> None:
    """A search, patterns, header fields and links narrow the list, all together."""
    rows = [
        await deliver(b"From: jane@x\r\nSubject: Hi\r\n\r\nsecret: https://x.example/\r\n"),
        await deliver(b"Subject: Order 1\r\nX-Trace: first\r\nX-Trace: second\r\n\r\nx\r\n"),
        await deliver(b"Subject: Order 22\r\n\r\nthe secret\r\n"),
    ]

    answer = (await http.get(API, params=parameters)).json()

    assert [message["id"] for message in answer["messages"]] == [rows[n].id for n in found]
    assert (answer["next"] is None) == ("limit" not in parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {"query": "after:20"},
        {"query": "x", "tz": "Nowhere"},
        {"query": "x" * 9000},
        {"header": "x"},
    ],
)
async def test_a_search_that_cannot_be_read_is_refused(
    http: httpx.AsyncClient, parameters: dict[str, str]
) -> None:
    """What is no search is refused with a sentence."""
    answer = await http.get(API, params=parameters)

    assert answer.status_code == 400
    assert answer.text.endswith(".")


async def test_a_criterion_is_tried_for_a_while_and_then_goes_on(
    http: httpx.AsyncClient, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little time there is, going on from `next` finds all."""
    monkeypatch.setattr(searching, "PATIENCE", 0.0)
    rows = [await deliver(b"X-A: %d\r\n\r\nx\r\n" % (number % 3)) for number in range(9)]
    seen: list[str] = []
    query = "header=X-A:1"
    while True:
        page = (await http.get(f"{API}?{query}")).json()
        seen += [message["id"] for message in page["messages"]]
        if page["next"] is None:
            break
        query = f"header=X-A:1&before={page['next']}"

    assert seen == [rows[number].id for number in (7, 4, 1)]


async def test_deletion_names_what_was_unknown(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore
) -> None:
    """DELETE tells how many went, and which ids named none."""
    row = await deliver()

    response = await http.request("DELETE", API, json={"ids": [row.id, "nobody", row.id]})

    assert response.json() == {"deleted": 1, "unknown": ["nobody"]}
    assert (await store.count()).total == 0


async def test_all_are_deleted_in_words_only(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore
) -> None:
    """DELETE deletes all for {"all": true}."""
    await deliver()
    await deliver()

    response = await http.request("DELETE", API, json={"all": True})

    assert response.json() == {"deleted": 2, "unknown": []}
    assert (await store.count()).total == 0


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"{", b'{"all": false}', b'{"ids": [], "all": true}']
)
async def test_an_unclear_deletion_deletes_nothing(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore, body: bytes
) -> None:
    """DELETE without a clear word gives 400 and deletes nothing."""
    await deliver()

    response = await http.request("DELETE", API, content=body)

    assert response.status_code == 400
    assert response.text.startswith("Nothing was deleted")
    assert (await store.count()).total == 1


async def test_an_empty_list_of_ids_deletes_nothing(
    http: httpx.AsyncClient, deliver: Deliver, store: MemoryStore
) -> None:
    """The own API takes an empty list for what it is."""
    await deliver()

    response = await http.request("DELETE", API, json={"ids": []})

    assert response.json() == {"deleted": 0, "unknown": []}
    assert (await store.count()).total == 1
