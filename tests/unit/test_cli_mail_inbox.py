"""`bindpost mail export --format inbox` and `import` of such a file, against a real server."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from bindpost.cli import mail_files, main
from bindpost.config.endpoint import Endpoint
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    TranscriptLine,
    new_id,
    utc_now,
)
from bindpost.server.store import inbox_file
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.server.web.app import Compatibility, create_app
from bindpost.server.web.server import WebServer

Run = Callable[..., Coroutine[None, None, Result]]
TRICKY = (
    b'{"bindpost":"inbox","version":1}\n{"bindpost":"message"}\n',
    b"Subject: two\n\nbare LF, na\xefve\0\n\n",
    b"",
    b"Subject: four\r\n\r\n.\r\nno end",
)


class Server:
    """A server over a store in memory, and `bindpost mail` for it."""

    def __init__(self, store: MemoryStore, url: str) -> None:
        self.store = store
        self.url = url

    async def run(self, *arguments: object, stdin: bytes = b"") -> Result:
        """Run `bindpost mail`."""
        words = ["mail", *map(str, arguments), "--server", self.url]
        return await asyncio.to_thread(CliRunner().invoke, main, words, stdin)

    async def add(self, raw: bytes, *, session: str = "session-1", lines: int = 2) -> MessageRow:
        """Have a message arrive as the last one of a session that has said so many lines."""
        facts = SessionFacts(
            session_id=session,
            started=utc_now(),
            listener="127.0.0.1:1025",
            via="direct:",
            personality="plain",
            login="ü\0",
            xclient={"ADDR": "10.0.0.1"},
        )
        envelope = Envelope("ü\0@x", (Recipient("b@x", {"NOTIFY": None}),), {"SIZE": "1"})
        said = tuple(TranscriptLine(number, "C", f"NOOP \x7f {number}") for number in range(lines))
        return await self.store.add(Message(new_id(), utc_now(), envelope, facts, raw), said)

    async def kept(self) -> list[Any]:
        """Give all that is known of each message, the oldest first."""
        return [await self._known(row) for row in (await self.store.find(limit=0))[::-1]]

    async def _known(self, row: MessageRow) -> Mapping[str, Any]:
        facts = msgspec.structs.replace(row.session, moved=None)
        known = msgspec.structs.asdict(msgspec.structs.replace(row, session=facts))
        del known["cursor"]
        known["raw"] = await self.store.raw(row.id)
        known["transcript"] = await self.store.transcript(row.id)
        for name in row.mailboxes:
            here = await self.store.get(row.id, mailbox=name)
            assert here is not None
            known[name] = (here.read, here.tags)
        return known


Serve = Callable[..., Coroutine[None, None, Server]]


def by_recipient(envelope: Envelope, _: SessionFacts) -> tuple[str, ...]:
    """Put all mail into two mailboxes."""
    return ("a", "b") if envelope.recipients else ()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Give what starts one more server."""
    async with AsyncExitStack() as stack:

        async def start(*, size_limit: int = 1000, is_sorted: bool = False) -> Server:
            store = MemoryStore(sort=by_recipient) if is_sorted else MemoryStore()
            stack.push_async_callback(store.close)
            app = create_app(
                store,
                ready=lambda: True,
                version="1",
                compatibility=Compatibility(message_size=size_limit),
            )
            web = WebServer(Endpoint("127.0.0.1", 0))
            await web.bind()
            await web.serve(app)
            stack.push_async_callback(web.stop)
            return Server(store, web.url)

        yield start


@pytest.fixture
async def here(serve: Serve) -> Server:
    """Give a server with mail of all kinds: of two sessions, read, tagged, in mailboxes."""
    server = await serve(is_sorted=True)
    rows = [await server.add(raw, lines=2 + number) for number, raw in enumerate(TRICKY)]
    rows.append(await server.add(b"Subject: five\n\n", session="another"))
    await server.store.mark([rows[0].id], read=True)
    await server.store.mark([rows[1].id], read=True, mailbox="a")
    await server.store.set_tags([rows[2].id], ["One", "Two"])
    await server.store.set_tags([rows[3].id], ["Three"], mailbox="b")
    await server.store.delete([rows[3].id], mailbox="a")
    return server


@pytest.fixture
async def there(serve: Serve) -> Server:
    """Give an empty server."""
    return await serve()


async def test_all_comes_along(here: Server, there: Server, tmp_path: Path) -> None:
    """Whatever is known of a message at one server is known at the other, in the same order."""
    file = tmp_path / "my.inbox"

    exported = await here.run("export", file, "--format", "inbox")
    imported = await there.run("import", file)

    assert (exported.output, imported.output) == ("5 messages written\n", "5 messages imported\n")
    assert await there.kept() == await here.kept()
    moved = {row.session.moved is not None for row in await there.store.find()}
    assert moved == {True}


async def test_by_a_pipe(here: Server, there: Server) -> None:
    """`export - | import -`; nothing but the file is on standard output."""
    exported = await here.run("export", "-", "--format", "inbox")
    imported = await there.run("import", "-", "--json", stdin=exported.stdout_bytes)

    assert exported.stderr == "5 messages written\n"
    assert json.loads(imported.stdout)["inboxes"] == [{"place": "-", "imported": 5, "there": 0}]
    assert await there.kept() == await here.kept()


async def test_a_transcript_is_written_once(here: Server, tmp_path: Path) -> None:
    """With the first message of its session, whole; and again if the session went on."""
    file = tmp_path / "my.inbox"
    await here.run("export", file, "--format", "inbox")
    assert file.read_bytes().count(b'"transcript"') == 2

    await here.add(b"later", lines=5)
    await here.run("export", file, "--format", "inbox")
    assert file.read_bytes().count(b'"transcript"') == 2

    await here.add(b"later", lines=9)
    await here.run("export", file, "--format", "inbox")
    assert file.read_bytes().count(b'"transcript"') == 3


async def test_the_same_commands_again(here: Server, there: Server, tmp_path: Path) -> None:
    """They add what came meanwhile, and leave alone what they have brought before."""
    file = tmp_path / "my.inbox"
    await here.run("export", file, "--format", "inbox")
    await there.run("import", file)
    await here.add(b"new")
    (oldest, *_) = (await there.store.find())[::-1]
    await there.store.mark([oldest.id], read=False)

    exported = await here.run("export", file, "--format", "inbox")
    imported = await there.run("import", file)

    assert exported.output == "1 message written, 5 there already\n"
    assert imported.output == "1 message imported, 5 there already\n"
    kept = await there.store.get(oldest.id)
    assert kept == msgspec.structs.replace(oldest, read=False)
    assert len(await there.kept()) == 6


async def test_an_export_goes_on_behind_what_is_whole(here: Server, tmp_path: Path) -> None:
    """Wherever the file was cut off, the same command makes the same file of it."""
    file = tmp_path / "my.inbox"
    await here.run("export", file, "--format", "inbox")
    whole = file.read_bytes()
    for end in [*(0, 1, 20, 33, 34), *range(50, len(whole), 251), len(whole) - 1]:
        file.write_bytes(whole[:end])

        result = await here.run("export", file, "--format", "inbox")

        assert result.exit_code == 0, result.output
        assert file.read_bytes() == whole


async def test_a_message_that_was_cut_off_and_is_gone(
    here: Server, there: Server, tmp_path: Path
) -> None:
    """What was written of it is cut off, so that the file is whole."""
    file = tmp_path / "my.inbox"
    last = await here.add(b"x" * 900)
    await here.run("export", file, "--format", "inbox")
    file.write_bytes(file.read_bytes()[:-1])
    await here.store.delete([last.id])

    exported = await here.run("export", file, "--format", "inbox")
    imported = await there.run("import", file)

    assert exported.output == "0 messages written, 5 there already\n"
    assert imported.output == "5 messages imported\n"


async def test_an_inbox_that_has_mail(here: Server, there: Server, tmp_path: Path) -> None:
    """What it has stays; what is moved stands behind it."""
    await there.add(b"own", session="own")
    (own,) = await there.kept()
    file = tmp_path / "my.inbox"
    await here.run("export", file, "--format", "inbox")

    await there.run("import", file)

    assert await there.kept() == [own, *await here.kept()]


async def test_the_file_of_another_server(here: Server, there: Server, tmp_path: Path) -> None:
    """One file may take in several inboxes, whatever their cursors."""
    await there.add(b"own", session="own")
    file = tmp_path / "my.inbox"
    await here.run("export", file, "--format", "inbox")

    result = await there.run("export", file, "--format", "inbox")

    assert result.output == "1 message written\n"
    assert file.read_bytes().count(b'{"bindpost":"message"') == 6 + 1  # one is in a message


async def test_filters(here: Server, tmp_path: Path) -> None:
    """Only what matches is written; rows of messages that are there already are stepped over."""
    file = tmp_path / "my.inbox"
    command = ("export", file, "--format", "inbox")

    results = [
        await here.run(*command, "--subject", "four"),
        await here.run(*command, "--subject", "two"),
        await here.run(*command, "--limit", "2"),
        await here.run(*command),
    ]

    assert [result.output for result in results] == [
        "1 message written\n",
        "1 message written\n",
        "1 message written, 1 there already\n",
        "2 messages written, 3 there already\n",
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"mine", "neither a message of an inbox file begins here"),
        (b'{"bindpost":"inbox","version":2}\n', "version 2"),
        (inbox_file.HEAD + b'{"bindpost":"message","id":"x"}\n', "damaged at byte 33"),
        (inbox_file.HEAD + b"\0" * 4096, "damaged at byte 33"),
    ],
)
async def test_a_file_that_is_none_is_not_touched(
    here: Server, tmp_path: Path, content: bytes, reason: str
) -> None:
    """Somebody's work may be in it."""
    file = tmp_path / "my.inbox"
    file.write_bytes(content)

    result = await here.run("export", file, "--format", "inbox")

    assert result.exit_code == 1
    assert reason in result.output
    assert file.read_bytes() == content


async def test_two_exports_to_one_file(here: Server, tmp_path: Path) -> None:
    """The second one says that there is a first."""
    from bindpost.server.store.lock import try_lock

    file = tmp_path / "my.inbox"
    with file.open("wb") as held:
        assert try_lock(held.fileno())

        result = await here.run("export", file, "--format", "inbox")

    assert result.exit_code == 1
    assert "another export" in result.output


async def test_a_file_in_a_folder_that_is_not_there(here: Server, tmp_path: Path) -> None:
    """It is told."""
    result = await here.run("export", tmp_path / "no" / "my.inbox", "--format", "inbox")

    assert result.exit_code == 1
    assert "can't be written: No such file" in result.output


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("target", ["my.inbox", "-"])
async def test_a_disk_that_is_full(
    here: Server, tmp_path: Path, target: str, unbuffered: str
) -> None:
    """It is told, and what is whole stays; the same command goes on when there is room."""
    file = tmp_path / "my.inbox"
    words = ["mail", "export", target, "--format", "inbox", "--server", here.url]
    with (tmp_path / "output").open("wb") as output:
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bindpost", *words),
            cwd=tmp_path,
            stdout=output,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
        )
        _, errors = await command.communicate()

    assert command.returncode == 1
    assert errors.decode().endswith("can't be written: File too large\n"), errors
    if target != "-":
        again = await here.run("export", file, "--format", "inbox")
        assert again.exit_code == 0
        assert file.read_bytes().count(b'"transcript"') == 2


async def test_of_a_file_that_was_cut_off_nothing_is_imported(
    here: Server, there: Server, tmp_path: Path
) -> None:
    """It says what to do; by a pipe what is whole is imported, and the same is said."""
    file = tmp_path / "my.inbox"
    await here.run("export", file, "--format", "inbox")
    data = file.read_bytes()[:-3]
    file.write_bytes(data)

    result = await there.run("import", file)

    assert result.exit_code == 1
    assert "ends in the middle of message" in result.output
    assert "0 messages imported" in result.output
    assert await there.kept() == []


async def test_a_message_that_is_too_large(here: Server, serve: Serve, tmp_path: Path) -> None:
    """The import ends there and says so; when the limit is raised, the same command goes on."""
    small = await serve(size_limit=10)
    file = tmp_path / "my.inbox"
    await here.run("export", file, "--format", "inbox")

    result = await small.run("import", file)

    assert result.exit_code == 1
    assert "more than 10, this server's limits.message_size" in result.output
    assert await small.kept() == []


async def test_other_bytes_of_the_same_id(here: Server, there: Server, tmp_path: Path) -> None:
    """It is named, and what the inbox has stays."""
    file = tmp_path / "my.inbox"
    row = await here.add(b"one")
    await here.run("export", file, "--format", "inbox", "--limit", "1")
    other = Message(row.id, row.received, row.envelope, row.session, b"other")
    await there.store.add(other, ())

    result = await there.run("import", file)

    assert result.exit_code == 1
    assert f"has a message {row.id} with other bytes" in result.output
    assert await there.store.raw(row.id) == b"other"


async def test_an_empty_inbox(there: Server, tmp_path: Path) -> None:
    """It is a file, which has no message."""
    file = tmp_path / "my.inbox"

    exported = await there.run("export", file, "--format", "inbox")
    imported = await there.run("import", file)

    assert file.read_bytes() == inbox_file.HEAD
    assert (exported.output, imported.output) == ("0 messages written\n", "0 messages imported\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "{}", "--format", "inbox", "--mailbox", "a"),
        ("import", "{}", "--mailbox", "a"),
        ("import", "{}", "--to", "a@x"),
    ],
)
async def test_what_does_not_go_with_an_inbox(
    here: Server, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """It is a mistake in the command."""
    file = tmp_path / "my.inbox"
    file.write_bytes(inbox_file.HEAD)

    result = await here.run(*(argument.format(file) for argument in arguments))

    assert result.exit_code == 2
    assert "leave --" in result.output


async def test_show_says_that_a_message_was_moved(
    here: Server, there: Server, tmp_path: Path
) -> None:
    """And what brought it in the first place."""
    await here.run("export", tmp_path / "my.inbox", "--format", "inbox")
    await there.run("import", tmp_path / "my.inbox")

    shown = await there.run("show", "latest")

    assert "listener    127.0.0.1:1025 through direct:" in shown.output
    assert "moved       here from another inbox" in shown.output


def test_the_files_are_known_by_their_beginning() -> None:
    """The command line knows how they begin without reading one."""
    assert inbox_file.HEAD.startswith(mail_files.INBOX)
