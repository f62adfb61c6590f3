"""`bindpost mail import` and `export`, against a real server."""

from __future__ import annotations

import asyncio
import json
import mailbox
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bindpost.cli import main
from bindpost.config.endpoint import Endpoint
from bindpost.server.store.memory import MemoryStore
from bindpost.server.web.app import Compatibility, create_app
from bindpost.server.web.server import WebServer

from ..fixtures import memory_store as memory_store

Run = Callable[..., Coroutine[None, None, Result]]
TRICKY = [
    b"From: a@x\r\nTo: b@x\r\nSubject: one\r\n\r\nFrom here\r\n>From there\r\n",
    b"From: a@x\nTo: b@x\nSubject: two\n\nbare LF, na\xefve\n\n",
    b"From: a@x\r\nTo: c@x\r\nSubject: three\r\n\r\n.\r\nno end",
]


@pytest.fixture
async def run(store: MemoryStore, tmp_path: Path) -> AsyncIterator[Run]:
    """Give a function that runs `bindpost mail` for a server over the store."""
    app = create_app(
        store, ready=lambda: True, version="1", compatibility=Compatibility(message_size=1000)
    )
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(app)

    async def run(*arguments: object, stdin: bytes = b"") -> Result:
        words = ["mail", *map(str, arguments), "--server", server.url]
        return await asyncio.to_thread(CliRunner().invoke, main, words, stdin)

    yield run
    await server.stop()


async def kept(store: MemoryStore) -> list[bytes]:
    """Give the bytes of what is in the inbox, oldest first."""
    rows = await store.find(limit=0)
    return [await store.raw(row.id) or b"" for row in rows[::-1]]


async def fill(run: Run) -> None:
    """Put the tricky messages into the inbox."""
    for raw in TRICKY:
        assert (await run("import", "-", stdin=raw)).exit_code == 0


@pytest.mark.parametrize("form", ["eml", "mbox", "maildir"])
async def test_what_is_exported_comes_back_byte_for_byte(
    run: Run, store: MemoryStore, tmp_path: Path, form: str
) -> None:
    """`From ` lines, bare LF, 8-bit, no final newline: by each of the three forms."""
    await fill(run)
    target = tmp_path / "out"

    exported = await run("export", target, "--format", form)
    await store.delete(None)
    imported = await run("import", target)

    assert exported.output == "3 messages written\n"
    assert imported.output == "3 messages imported\n"
    assert sorted(await kept(store)) == sorted(TRICKY)


async def test_an_mbox_tells_the_sender(run: Run, store: MemoryStore, tmp_path: Path) -> None:
    """So that only the recipients are derived."""
    await run("import", "-", "--from", "envelope@x", "--to", "r@x", stdin=TRICKY[0])
    await run("export", tmp_path / "box", "--format", "mbox")

    await run("import", tmp_path / "box")

    (row, _) = await store.find()
    assert row.envelope.reverse_path == "envelope@x"
    assert row.session.derived == ("recipients",)


async def test_mbox_on_standard_output_and_input(run: Run, store: MemoryStore) -> None:
    """`export - | import -` doubles the inbox; nothing else is on standard output."""
    await fill(run)

    exported = await run("export", "-", "--format", "mbox")
    await run("import", "-", stdin=exported.stdout_bytes)

    assert exported.stdout_bytes.startswith(b"From a@x ")
    assert exported.stderr == "3 messages written\n"
    assert await kept(store) == TRICKY * 2


async def test_filters(run: Run, tmp_path: Path) -> None:
    """Only what matches is written."""
    await fill(run)

    counts = [
        (await run("export", tmp_path / str(place), *filters)).output.split()[0]
        for place, filters in enumerate(
            [("--to", "c@x"), ("--subject", "TWO"), ("--from", "z@x"), ("--limit", "2")]
        )
    ]

    assert counts == ["1", "1", "0", "2"]


@pytest.mark.parametrize("form", ["eml", "maildir"])
async def test_exporting_again_adds_what_is_new(run: Run, tmp_path: Path, form: str) -> None:
    """What is there is left alone, even when it was read meanwhile by a mail program."""
    await fill(run)
    await run("export", tmp_path / "out", "--format", form)
    if form == "maildir":
        box = mailbox.Maildir(tmp_path / "out")
        assert len(box) == 3
        for key, message in box.iteritems():
            message.set_subdir("cur")
            message.add_flag("R")
            box[key] = message
    await run("import", "-", stdin=b"Subject: new\r\n\r\n")

    again = await run("export", tmp_path / "out", "--format", form)

    assert again.output == "1 message written, 3 there already\n"


async def test_messages_that_were_read_are_seen_in_a_maildir(
    run: Run, store: MemoryStore, tmp_path: Path
) -> None:
    """The read flag is Maildir's S."""
    await fill(run)
    (newest, *_) = await store.find()
    await store.mark([newest.id], read=True)

    await run("export", tmp_path / "out", "--format", "maildir")

    box = mailbox.Maildir(tmp_path / "out")
    assert {message["subject"]: message.get_flags() for message in box} == {
        "one": "",
        "two": "",
        "three": "S",
    }


async def test_an_mbox_that_is_there_is_not_touched(run: Run, tmp_path: Path) -> None:
    """Somebody's mail may be in it."""
    path = tmp_path / "box"
    path.write_bytes(b"mine")

    result = await run("export", path, "--format", "mbox")

    assert result.exit_code == 1
    assert "is there already" in result.output
    assert path.read_bytes() == b"mine"


async def test_what_is_refused_is_named_and_the_rest_imported(
    run: Run, store: MemoryStore, tmp_path: Path
) -> None:
    """A message that is too large doesn't keep the others out; the exit status tells."""
    (tmp_path / "a.eml").write_bytes(TRICKY[0])
    (tmp_path / "b.EML").write_bytes(b"x" * 1001)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.eml").write_bytes(TRICKY[1])
    (tmp_path / "note.txt").write_bytes(b"no mail")

    result = await run("import", tmp_path, "--json")

    assert result.exit_code == 1
    outcome = json.loads(result.stdout)
    assert len(outcome["imported"]) == 2
    assert outcome["imported"][0]["derived"] == ["reverse_path", "recipients"]
    assert outcome["refused"][0]["place"] == str(tmp_path / "b.EML")
    assert "larger than 1000 bytes" in outcome["refused"][0]["reason"]
    assert await kept(store) == TRICKY[:2]


@pytest.mark.parametrize("name", ["none", "empty"])
async def test_a_source_without_mail_is_an_error(run: Run, tmp_path: Path, name: str) -> None:
    """A misspelt name, or a folder that is none of mail, is told."""
    (tmp_path / "empty").mkdir()

    result = await run("import", tmp_path / name)

    assert result.exit_code != 0
    assert name in result.output


async def test_show_says_that_a_message_was_imported(run: Run) -> None:
    """And what was taken from the header."""
    await run("import", "-", "--to", "r@x", stdin=TRICKY[0])

    shown = await run("show", "latest")

    assert "imported    reverse_path of the envelope taken from the header" in shown.output
