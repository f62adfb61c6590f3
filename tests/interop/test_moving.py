"""An inbox moved between SQLite and PostgreSQL by the commands; killed in the middle, and again."""

from __future__ import annotations

import json
import smtplib
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bindpost.client import Client
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
from bindpost.server.store.store import Copy, Place
from bindpost.testing import PATIENCE, Serve, Serving
from bindpost.testing.postgres import PostgresServer

pytestmark = pytest.mark.timeout(180)  # each starts up to eight programs, one after the other
SETTINGS = """
[[mailbox]]
name = "shop"
domains = ["shop.test"]
[[mailbox]]
name = "all"
domains = ["*"]
"""
COUNT = 600


@pytest.fixture
def sqlite(serve: Serve, tmp_path: Path) -> Callable[..., Serving]:
    """Give what starts a server over a folder; `wait_ready` returns when it is bound."""

    def start(name: str, settings: str = "") -> Serving:
        file = tmp_path / f"{name}.toml"
        file.write_text(settings)
        return serve("--data", str(tmp_path / name), "--config", str(file))

    return start


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """Give the URL of a schema without tables."""
    with postgres.new_schema() as url:
        yield url


def command(server: str, *words: str | Path) -> list[str]:
    """Give a command line of `bindpost mail`."""
    return [sys.executable, "-m", "bindpost", "mail", *map(str, words), "--server", server]


def mail(server: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `bindpost mail`."""
    return subprocess.run(
        command(server, *words), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def put(client: Client, path: str, body: Mapping[str, Any]) -> None:
    """Ask Mailpit's API to change something."""
    request = urllib.request.Request(client.url + path, json.dumps(body).encode(), method="PUT")
    urllib.request.urlopen(request, timeout=PATIENCE).close()


def fill(serving: Serving) -> None:
    """Have mail arrive by a few sessions, small and large, then read and tag some of it."""
    for session in range(3):
        with smtplib.SMTP(*serving.smtp) as smtp:
            for number in range(5):
                size = 100_000 if session == number else 10
                raw = f"Subject: {session}.{number}\r\n\r\n".encode() + b"x\r\n" * size
                smtp.sendmail("a@b.test", [f"c+t{number}@shop.test", "d@e.test"], raw)
    client = serving.client
    ids = [row.id for row in client.messages(0)]
    put(client, "/api/v1/messages", {"IDs": ids[:4], "Read": True})
    put(client, "/mailbox/shop/api/v1/messages", {"IDs": ids[6:8], "Read": True})
    put(client, "/api/v1/tags", {"IDs": ids[3:5], "Tags": ["Mine", "Other"]})
    put(client, "/mailbox/shop/api/v1/tags", {"IDs": ids[9:10], "Tags": ["In shop"]})
    client.import_message(b"Subject: imported\r\n\r\n", sender="i@x.test")


def known(client: Client) -> list[Any]:
    """Give all that the API tells of each message, and of flags and tags in each place."""
    found: list[Any] = []
    for row in client.messages(0)[::-1]:
        message = client.full_message(row.id)
        session = msgspec.structs.replace(message.session, moved=None)
        found.append(msgspec.structs.replace(message, cursor=0, session=session))
    for place in ("", "/mailbox/shop", "/mailbox/all"):
        with urllib.request.urlopen(
            f"{client.url}{place}/api/v1/messages?limit=1000", timeout=PATIENCE
        ) as answer:
            found += [
                (one["ID"], one["Read"], one["Tags"]) for one in json.load(answer)["messages"]
            ]
    return found


def test_there_and_back(
    sqlite: Callable[..., Serving], serve: Serve, url: str, tmp_path: Path
) -> None:
    """From SQLite to PostgreSQL by a file, and back by a pipe: all that is known comes along."""
    here, there, back = sqlite("here", SETTINGS), serve("--store", url), sqlite("back")
    for serving in (here, there, back):
        serving.wait_ready()
    fill(here)

    exported = mail(here.client.url, "export", tmp_path / "my.inbox", "--format", "inbox")
    imported = mail(there.client.url, "import", tmp_path / "my.inbox")
    with subprocess.Popen(
        command(there.client.url, "export", "-", "--format", "inbox"), stdout=subprocess.PIPE
    ) as export:
        taken = subprocess.run(
            command(back.client.url, "import", "-"),
            stdin=export.stdout,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    assert exported.stdout == "16 messages written\n"
    assert (imported.stdout, taken.stdout) == ("16 messages imported\n",) * 2
    assert known(there.client) == known(here.client)
    assert known(back.client) == known(here.client)
    assert [box.name for box in back.client.mailboxes()] == ["all", "shop"]
    assert back.client.mailboxes() == here.client.mailboxes()


class Bottleneck:
    """A port in front of a server; when so many bytes have gone one way, all stands still."""

    def __init__(
        self, server: str, *, to_client: int | None = None, to_server: int | None = None
    ) -> None:
        self.stands = threading.Event()
        self._limits = {"to_client": to_client, "to_server": to_server}
        host, _, port = server.removeprefix("http://").rpartition(":")
        self._target = (host, int(port))
        self._connections: list[socket.socket] = []
        self._stack = ExitStack()
        self._listener = self._stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._stack.enter_context(self._listener.accept()[0])
                server = self._stack.enter_context(socket.create_connection(self._target))
                self._connections += [client, server]
                for pair in ((client, server, "to_server"), (server, client, "to_client")):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        with suppress(OSError):
            while data := source.recv(4096):
                if (left := self._limits[way]) is not None:
                    if left < len(data):
                        self.stands.set()
                        return
                    self._limits[way] = left - len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Cut all connections."""
        for connection in self._connections:
            with suppress(OSError):  # it has ended by itself
                connection.shutdown(socket.SHUT_RDWR)
        self._stack.close()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Give an inbox file of many messages."""
    session = SessionFacts(new_id(), utc_now(), "127.0.0.1:25", "direct:", "plain")
    said = tuple(TranscriptLine(number, "C", f"NOOP {number}") for number in range(100))
    file = tmp_path / "many.inbox"
    with file.open("wb") as written:
        written.write(inbox_file.HEAD)
        for number in range(COUNT):
            raw = f"Subject: {number}\r\n\r\n".encode() + b"x" * 5000
            envelope = Envelope("a@b.test", (Recipient(f"{number}@c.test"),))
            copy = Copy(
                message=Message(new_id(), utc_now(), envelope, session, raw),
                transcript=None if number else said,
                whole=Place(read=number % 3 == 0),
                mailboxes={"box": Place(tags=("One",))} if number % 5 == 0 else {},
            )
            written.write(inbox_file.write(copy))
    return file


def entries(file: Path) -> list[Copy]:
    """Give what is in a file, but for when it was moved."""
    reader = inbox_file.Reader()
    found = []
    for entry in reader.feed(file.read_bytes()):
        message = entry.copy.message
        session = msgspec.structs.replace(message.session, moved=None)
        message = msgspec.structs.replace(message, session=session)
        found.append(msgspec.structs.replace(entry.copy, message=message))
    reader.finish()
    return found


def test_kill_9_of_an_export(sqlite: Callable[..., Serving], inbox: Path, tmp_path: Path) -> None:
    """The same command again goes on behind what is whole; each message is in the file once."""
    serving, file = sqlite("here").wait_ready(), tmp_path / "my.inbox"
    assert mail(serving.client.url, "import", inbox).returncode == 0
    with closing(Bottleneck(serving.client.url, to_client=1_500_000)) as way:
        words = command(way.url, "export", file, "--format", "inbox")
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as export:
            assert way.stands.wait(PATIENCE)
            wait_until(lambda: file.stat().st_size > 100_000)
            export.kill()
    written = file.stat().st_size
    assert written < inbox.stat().st_size

    again = mail(serving.client.url, "export", file, "--format", "inbox")

    assert again.returncode == 0
    assert "there already" in again.stdout
    assert entries(file) == entries(inbox)


def test_a_server_that_dies_under_an_export(
    sqlite: Callable[..., Serving], inbox: Path, tmp_path: Path
) -> None:
    """The command says so, and goes on with the server that was started again."""
    serving, file = sqlite("here").wait_ready(), tmp_path / "my.inbox"
    assert mail(serving.client.url, "import", inbox).returncode == 0
    with closing(Bottleneck(serving.client.url, to_client=1_500_000)) as way:
        words = command(way.url, "export", file, "--format", "inbox")
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as export:
            assert way.stands.wait(PATIENCE)
            serving.process.kill()
            way.close()
            told = export.communicate(timeout=PATIENCE)[1]
    serving.process.wait(PATIENCE)
    assert export.returncode == 69
    assert "/api/bindpost/v1/inbox failed" in told

    again = mail(sqlite("here").wait_ready().client.url, "export", file, "--format", "inbox")

    assert again.returncode == 0
    assert entries(file) == entries(inbox)


@pytest.mark.parametrize(
    ("kind", "dies"),
    [
        ("sqlite", "server"),
        ("postgres", "command"),
        pytest.param("sqlite", "command", marks=pytest.mark.long),
        pytest.param("postgres", "server", marks=pytest.mark.long),
    ],
)
def test_kill_9_of_an_import(
    sqlite: Callable[..., Serving],
    serve: Serve,
    request: pytest.FixtureRequest,
    inbox: Path,
    tmp_path: Path,
    kind: str,
    dies: str,
) -> None:
    """The command or the server dies in the middle; then the same command adds what is missing."""
    url = request.getfixturevalue("url") if kind == "postgres" else ""

    def start() -> Serving:
        return (serve("--store", url) if url else sqlite("there")).wait_ready()

    serving = start()
    with (
        closing(Bottleneck(serving.client.url, to_server=2_000_000)) as way,
        subprocess.Popen(
            command(way.url, "import", inbox),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as importing,
    ):
        assert way.stands.wait(PATIENCE)
        (importing if dies == "command" else serving.process).kill()
        way.close()
        output, errors = importing.communicate(timeout=PATIENCE)
    if dies == "server":
        assert importing.returncode == 69
        assert output == f"{inbox_file.BATCH} messages imported\n"
        assert "/api/bindpost/v1/inbox failed" in errors
        serving.process.wait(PATIENCE)
        serving = start()

    again = mail(serving.client.url, "import", inbox)

    assert again.stdout == f"{COUNT - inbox_file.BATCH} messages imported, 256 there already\n"
    exported = tmp_path / "their.inbox"
    assert mail(serving.client.url, "export", exported, "--format", "inbox").returncode == 0
    assert entries(exported) == entries(inbox)


def wait_until(holds: Callable[[], bool]) -> None:
    """Return when something holds that nobody tells of."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
