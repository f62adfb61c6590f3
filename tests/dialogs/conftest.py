"""Reads and plays dialogue files: what the client says, what the server must say, exactly."""

import asyncio
import contextlib
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from bindpost.config.model import Settings
from bindpost.server.smtp.service import Resources, session_factory
from bindpost.server.smtp.sessions import Sessions
from bindpost.server.store.memory import MemoryStore


@dataclass
class Dialogue:
    """
    A dialogue file.

    Lines: `# comment`; `@ TOML` (settings; `client = "NAME"` is what the client's address resolves
    to); `C: text` (sent with CRLF); `C> text` (sent as it is, with `\\r \\n \\0 \\xNN` escapes);
    `S: text` (must come, exactly, with CRLF); `S~ text` (must begin so); `closed` (the server
    closes). `<sp>` stands for a blank that an editor could eat.
    """

    settings: Settings
    client: str | None
    steps: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Dialogue":
        """Read a dialogue file."""
        toml, steps = [], []
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("@ "):
                toml.append(line[2:])
            elif line and not line.startswith("#"):
                verb, _, text = line.partition(" ")
                steps.append((verb, text.replace("<sp>", " ")))
        data = tomllib.loads("\n".join(toml))
        client = data.pop("client", None)
        return cls(msgspec.convert(data, Settings), client, steps)


async def _play_step(
    verb: str, text: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    if verb == "C:":
        writer.write(text.encode() + b"\r\n")
    elif verb == "C>":
        writer.write(text.encode().decode("unicode_escape").encode("latin-1"))
    elif verb == "S:":
        assert await reader.readline() == text.encode() + b"\r\n"
    elif verb == "S~":
        assert (await reader.readline()).startswith(text.encode())
    elif verb == "closed":
        assert await reader.read() == b""
    else:
        raise ValueError(f"no such step: {verb}")


@contextlib.asynccontextmanager
async def _serve(dialogue: Dialogue, store: MemoryStore) -> AsyncIterator[tuple[str, int]]:
    settings = dialogue.settings
    resources = Resources.load(settings, hostname=settings.hostname, folder=Path())
    sessions = Sessions(settings.limits.sessions)

    async def lookup(_host: str | None, _seconds: float) -> str | None:
        return dialogue.client

    factory = session_factory(
        resources,
        settings.listener[0],
        via="direct:",
        store=store,
        sessions=sessions,
        lookup=lookup,
    )
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()
    server.close()
    await sessions.drain(0)


Play = Callable[[Path], Awaitable[list[bytes]]]


@pytest.fixture(params=["fast", "stock"])
def play(request: pytest.FixtureRequest) -> Play:
    """Play a dialogue file against either engine; gives the messages kept, oldest first."""

    async def play_file(path: Path) -> list[bytes]:
        dialogue = Dialogue.read(path)
        dialogue.settings = msgspec.structs.replace(dialogue.settings, engine=request.param)
        store = MemoryStore()
        async with _serve(dialogue, store) as address:
            reader, writer = await asyncio.open_connection(*address)
            for verb, text in dialogue.steps:
                await _play_step(verb, text, reader, writer)
            writer.close()
        rows = await store.find(limit=0)
        kept = [await store.raw(row.id) or b"" for row in reversed(rows)]
        await store.close()
        return kept

    return play_file
