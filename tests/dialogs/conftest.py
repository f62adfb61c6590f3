"""Reads and plays dialogue files: what the client says, what the server must say, exactly."""

import asyncio
import contextlib
import ssl
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import msgspec
import pytest

from bindpost.config.model import Listener, Settings
from bindpost.server.smtp.phrases import Phrasebook
from bindpost.server.smtp.reply import Reply
from bindpost.server.smtp.rules import Rules
from bindpost.server.smtp.service import Resources, session_factory
from bindpost.server.smtp.sessions import Sessions
from bindpost.server.store.memory import MemoryStore

FOLDER: Final = Path(__file__).parent
Engine = Literal["fast", "stock"]


@dataclass
class Dialogue:
    """
    A dialogue file.

    Lines: `# comment`; `@ TOML` (settings; `client = "NAME"` is what the client's address resolves
    to; files are those of this folder); `C: text` (sent with CRLF); `C> text` (sent as it is, with
    `\\r \\n \\0 \\xNN` escapes); `C* N text` (the text N times, then CRLF); `S: text` (must come,
    exactly, with CRLF); `S~ text` (must begin so); `tls` (the client shakes hands); `closed` (the
    server closes). `<sp>` stands for a blank that an editor could eat.
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


@dataclass
class Player:
    """The client of a dialogue; `answers` are the lines that the server has said."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answers: list[str] = field(default_factory=list)

    async def play(self, verb: str, text: str) -> None:
        """Play one step; what the server says otherwise than it must is an assertion's failure."""
        if verb == "C:":
            self.writer.write(text.encode() + b"\r\n")
        elif verb == "C>":
            self.writer.write(text.encode().decode("unicode_escape").encode("latin-1"))
        elif verb == "C*":
            times, _, piece = text.partition(" ")
            self.writer.write(piece.encode() * int(times) + b"\r\n")
        elif verb == "S:":
            assert await self._answer() == text
        elif verb == "S~":
            assert (await self._answer()).startswith(text)
        elif verb == "tls":
            await self.writer.start_tls(_trusting())
        elif verb == "closed":
            assert await self.reader.read() == b""
        else:
            raise ValueError(f"no such step: {verb}")

    async def _answer(self) -> str:
        line = (await self.reader.readline()).decode()
        assert line.endswith("\r\n")
        self.answers.append(line.removesuffix("\r\n"))
        return self.answers[-1]


def _trusting() -> ssl.SSLContext:
    """Give a context for a certificate that was made on the spot."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Overheard(Phrasebook):
    """A phrasebook that tells which words were asked for at which occasion."""

    def __init__(self, phrases: Phrasebook, said: list[tuple[str, Reply]]) -> None:
        self.ready = {}  # each is asked for by `say`
        self._phrases = phrases
        self._said = said

    def say(self, occasion: str, fields: dict[str, object]) -> Reply:
        """Give the reply, and take note of it."""
        reply = self._phrases.ready.get(occasion) or self._phrases.say(occasion, fields)
        self._said.append((occasion, reply))
        return reply


def _overheard(said: list[tuple[str, Reply]]) -> type[Resources]:
    """Give resources whose conversations are overheard."""

    class OverheardResources(Resources):
        def rules_of(self, listener: Listener) -> Rules:
            rules = super().rules_of(listener)
            object.__setattr__(rules, "phrases", Overheard(rules.phrases, said))
            return rules

    return OverheardResources


@dataclass
class Played:
    """
    What came of a dialogue: the messages kept, oldest first, and who said what.

    `said` are the replies that were asked for, by their occasions.
    """

    personality: str
    kept: list[bytes]
    said: list[tuple[str, Reply]]
    answers: list[str]

    @property
    def met(self) -> set[str]:
        """The occasions whose words the client has really heard."""
        heard = {(answer[:3], answer[4:]) for answer in self.answers}
        return {name for name, reply in self.said if (str(reply.code), reply.lines[0]) in heard}


@contextlib.asynccontextmanager
async def _serve(
    dialogue: Dialogue, store: MemoryStore, said: list[tuple[str, Reply]]
) -> AsyncIterator[tuple[str, int]]:
    settings = dialogue.settings
    resources = _overheard(said).load(settings, hostname=settings.hostname, folder=FOLDER)
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


async def _play(path: Path, engine: Engine) -> Played:
    """Play a dialogue file against a server of its own."""
    dialogue = Dialogue.read(path)
    dialogue.settings = msgspec.structs.replace(dialogue.settings, engine=engine)
    store, said = MemoryStore(), list[tuple[str, Reply]]()
    async with _serve(dialogue, store, said) as address:
        player = Player(*await asyncio.open_connection(*address))
        for verb, text in dialogue.steps:
            await player.play(verb, text)
        player.writer.close()
    rows = await store.find(limit=0)
    kept = [await store.raw(row.id) or b"" for row in reversed(rows)]
    await store.close()
    return Played(dialogue.settings.personality, kept, said, player.answers)


@pytest.fixture
def play() -> Callable[[Path, Engine], Awaitable[Played]]:
    """Give what plays a dialogue file against either engine."""
    return _play
