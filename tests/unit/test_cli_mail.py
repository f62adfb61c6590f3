"""`bindpost mail`, against a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bindpost.cli import main
from bindpost.cli.terminal import printable
from bindpost.server.message.model import (
    ClientCertificate,
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web.server import WebServer

from ..fixtures import memory_store as memory_store
from ..fixtures import web_server as web_server

Deliver = Callable[..., Awaitable[MessageRow]]
Run = Callable[..., Coroutine[None, None, Result]]


@pytest.fixture
def run(server: WebServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Give a function that runs `bindpost mail` beside the server, whose settings name it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BINDPOST_WEB", str(server.address))

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, main, ["mail", *arguments])

    return run


@pytest.fixture
def deliver(store: MemoryStore) -> Deliver:
    """Give a function that puts a message into the store."""

    async def deliver(
        raw: bytes = b"Subject: Hi\r\n\r\nText\r\n", to: tuple[str, ...] = ("b@x",)
    ) -> MessageRow:
        facts = SessionFacts(
            session_id=new_id(),
            started=utc_now(),
            listener="127.0.0.1:1025",
            via="direct:",
            personality="ims-5.5",
            helo="client.example",
            xforward={"ADDR": "192.0.2.7", "IDENT": "4F2A"},
            client_certificate=ClientCertificate("CN=Ann", "CN=Authority", "ab" * 32, "Ann"),
            node="london",
        )
        envelope = Envelope("a@x", tuple(map(Recipient, to)), {"SIZE": "5", "SMTPUTF8": None})
        return await store.add(Message(new_id(), utc_now(), envelope, facts, raw), ())

    return deliver


async def test_list_prints_a_line_a_message(run: Run, deliver: Deliver) -> None:
    """The newest messages are listed, newest first, with sender, recipients and subject."""
    older = await deliver()
    newer = await deliver(b"Subject: New\r\n\r\n", to=("1@x", "2@x", "3@x", "4@x"))

    lines = (await run("list")).stdout.splitlines()

    assert len(lines) == 2
    assert newer.id in lines[0]
    assert lines[0].endswith("<a@x> -> 1@x, 2@x, 3@x and 1 more  New")
    assert older.id in lines[1]


async def test_list_prints_json(run: Run, deliver: Deliver) -> None:
    """With --json the list is an array of objects."""
    row = await deliver()

    messages = json.loads((await run("list", "--limit", "1", "--json")).stdout)

    assert [message["id"] for message in messages] == [row.id]
    assert messages[0]["fields"]["subject"] == "Hi"


async def test_show_prints_what_is_known(run: Run, deliver: Deliver) -> None:
    """Envelope, session, header, attachments and text are printed."""
    await deliver(
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\n\r\nThe text.\r\n--b\r\nContent-Type: a/b; name=file.bin\r\n\r\nxyz\r\n--b--\r\n"
    )

    output = (await run("show", "latest")).stdout

    for expected in (
        *("mail from   <a@x> SIZE=5 SMTPUTF8", "rcpt to     <b@x>", "HELO client.example"),
        *("listener    127.0.0.1:1025 through direct: as ims-5.5", "Subject: Grüße"),
        *("xforward    ADDR=192.0.2.7 IDENT=4F2A", "node        london"),
        *("certificate CN=Ann of CN=Authority", f"SHA-256 {'ab' * 32}"),
        *("[attachment file.bin, a/b, 3 bytes]", "\nThe text.\n"),
    ):
        assert expected in output


async def test_show_prints_json(run: Run, deliver: Deliver) -> None:
    """With --json the whole message is an object."""
    row = await deliver()

    message = json.loads((await run("show", row.id, "--json")).stdout)

    assert (message["id"], message["content"]["text"]) == (row.id, "Text\r\n")


async def test_hostile_mail_is_harmless_to_terminals(run: Run, deliver: Deliver) -> None:
    """No control character of a message reaches the terminal."""
    await deliver(
        b"Subject: a\x1b]0;owned\x07b\r\nX: \x1b[2J\r\n\r\n\x1b[31mred\x9b\x00\r\xe2\x80\xae"
    )

    output = (await run("show", "latest")).stdout + (await run("list")).stdout

    assert not [char for char in output if not (char.isprintable() or char == "\n")]


async def test_raw_writes_exact_bytes(run: Run, deliver: Deliver) -> None:
    """The bytes on standard output are those received, and nothing more."""
    raw = bytes(range(256))
    row = await deliver(raw)

    assert (await run("raw", row.id)).stdout_bytes == raw


async def test_wait_prints_the_message(run: Run, deliver: Deliver) -> None:
    """A wait ends with status 0 and the message."""
    waiting = asyncio.create_task(
        run("wait", "--to", "C@X", "--from", "A@X", "--subject", "hi", "--timeout", "20", "--json")
    )
    await deliver()
    row = await deliver(to=("c@x",))

    result = await waiting

    assert result.exit_code == 0
    assert json.loads(result.stdout)["id"] == row.id


async def test_wait_fails_when_nothing_comes(run: Run, deliver: Deliver) -> None:
    """A wait without a message ends with status 1 and a line on standard error."""
    row = await deliver()

    result = await run("wait", "--after", str(row.cursor), "--timeout", "0.01")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "no such message came in 0.01 seconds" in result.stderr


async def test_delete_takes_the_messages_named(
    run: Run, deliver: Deliver, store: MemoryStore
) -> None:
    """Messages are deleted by their ids."""
    first, second, third = await deliver(), await deliver(), await deliver()

    result = await run("delete", first.id, third.id)

    assert (result.exit_code, result.stdout) == (0, "2 messages deleted\n")
    assert [row.id for row in await store.find()] == [second.id]


async def test_delete_all_takes_all(run: Run, deliver: Deliver, store: MemoryStore) -> None:
    """--all deletes all."""
    await deliver()

    result = await run("delete", "--all", "--json")

    assert json.loads(result.stdout) == {"deleted": 1, "unknown": []}
    assert (await store.count()).total == 0


@pytest.mark.parametrize("arguments", [["delete"], ["delete", "x", "--all"], ["delete", "--json"]])
async def test_delete_never_guesses(
    run: Run, deliver: Deliver, store: MemoryStore, arguments: list[str]
) -> None:
    """Without ids and without --all, or with both, nothing is deleted and the status is 2."""
    await deliver()

    result = await run(*arguments)

    assert result.exit_code == 2
    assert (await store.count()).total == 1


@pytest.mark.parametrize("command", ["show", "raw", "delete"])
async def test_an_unknown_id_fails(run: Run, command: str) -> None:
    """An id that names no message gives status 1 and a sentence that names it."""
    result = await run(command, "nobody")

    assert result.exit_code == 1
    assert "has no message 'nobody'" in result.stderr


async def test_the_server_can_be_named(
    run: Run, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--server wins over the settings."""
    monkeypatch.setenv("BINDPOST_WEB", "off")

    assert (await run("list", "--server", server.url)).exit_code == 0


@pytest.mark.parametrize(
    ("web", "said"),
    [("off", "turn the web side off"), ("127.0.0.1:0", "let the port be any")],
)
async def test_settings_that_name_no_server_are_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, web: str, said: str
) -> None:
    """Where the settings name no port, the user is told to give --server."""
    monkeypatch.setenv("BINDPOST_WEB", web)

    result = await run("list")

    assert result.exit_code == 69
    assert said in result.stderr
    assert "--server URL" in result.stderr


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "[::]"])
async def test_a_wildcard_is_asked_on_loopback(
    run: Run, server: WebServer, monkeypatch: pytest.MonkeyPatch, wildcard: str
) -> None:
    """A server that listens everywhere is asked at a loopback address."""
    monkeypatch.setenv("BINDPOST_WEB", f"{wildcard}:1")

    result = await run("list")

    assert ("http://127.0.0.1:1" if wildcard == "0.0.0.0" else "http://[::1]:1") in result.stderr


async def test_no_server_is_status_69(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server the status is 69 and the line says what to do."""
    result = await run("list", "--server", "unix:/nonexistent")

    assert result.exit_code == 69
    assert "bindpost serve" in result.stderr


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\tüñ😀", "plain\tüñ😀"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\x9b\x7f\x00", "\\x9b\\x7f\\x00"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("a\nb\u2028c", "a\\nb\\u2028c"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    """What a terminal would obey is written as an escape, all else as it is."""
    assert printable(text) == shown


async def test_wait_for_what_the_header_says(run: Run, deliver: Deliver) -> None:
    """Patterns, header fields and links can be asked for; a bad pattern is told in a line."""
    await deliver(b"Subject: Order 7\r\nX-Shop: Berlin\r\n\r\nhttp://example.test code 4711\r\n")
    wanted = ["--subject-regex", r"\d$", "--header", "X-Shop", "Berlin", "--has-link"]

    found = await run("wait", *wanted, "--header-regex", "Subject", "^Order", "--json")
    bad = await run("wait", "--subject-regex", "(")
    twice = await run("wait", "--header", "X", "1", "--header", "x", "2")

    message = json.loads(found.stdout)
    assert (message["links"], message["codes"]) == (["http://example.test"], ["4711"])
    assert (await run("wait", *wanted, "--header", "X-Other", "1", "--timeout", "0")).exit_code == 1
    assert "the pattern '(' is none of RE2's" in bad.stderr
    assert twice.exit_code == 2
