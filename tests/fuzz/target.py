"""The contract of a target: a protocol's real code, and what is held of it after each input."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from random import Random
from typing import ClassVar
from zlib import crc32

from .grammar import Grammar, cut

PROTOCOLS = ("smtp", "lmtp", "http", "ini", "socks", "wsp")
CORPUS = Path(__file__).parent / "corpus"


class Target(ABC):
    """
    What takes inputs of one protocol, one after the other, in one event loop.

    An input is bytes; all else that can be chosen (which personality, where the bytes are cut) is
    drawn from their checksum, so a file says everything.
    """

    name: ClassVar[str]
    patience: ClassVar[float] = 20.0
    """Seconds of its loop that an input may take, as a watchdog."""

    @property
    @abstractmethod
    def grammar(self) -> Grammar:
        """What its inputs are made of."""

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """Make the loop that it lives in."""
        return asyncio.SelectorEventLoop()

    async def open(self) -> None:  # noqa: B027 - most have nothing to open
        """Have ready what lives through many inputs."""

    @abstractmethod
    async def play(self, data: bytes) -> None:
        """Play an input to its end; raises `AssertionError` when what must hold doesn't."""

    async def play_every_way(self, data: bytes) -> None:
        """Play an input in all the ways that `play` chooses from."""
        await self.play(data)

    @abstractmethod
    async def serve_honestly(self) -> None:
        """See that who does all right is served as ever; raises `AssertionError`."""

    def as_file(self, data: bytes) -> bytes:
        """Give an input as a file of the corpus has it."""
        return data

    async def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Let go of it."""


def target_of(name: str) -> Target:
    """Make the target of a protocol; imports no other protocol's."""
    target: Target = import_module(f".targets.{name}", __package__).TARGET()
    return target


def corpus(name: str) -> list[Path]:
    """Give the files of a protocol's corpus, each named for why it is there."""
    return sorted((CORPUS / name).iterdir())


def chance_of(data: bytes) -> Random:
    """Give what is drawn from for an input: always the same."""
    return Random(crc32(data))


def pieces_of(data: bytes, chance: Random) -> list[bytes]:
    """Cut an input as it may come: in one piece, a few, or single bytes."""
    if chance.randrange(16) == 0 and len(data) < 500:
        places = list(range(len(data)))
    else:
        places = [chance.randrange(len(data) + 1) for _ in range(chance.randrange(4))]
    return [piece for piece in cut(data, places) if piece]  # no transport ever hands over nothing


async def all_done(besides: Iterable[asyncio.Task[object]] = ()) -> None:
    """Return when no task is left but this one, and those besides."""
    kept = {asyncio.current_task(), *besides}
    while others := asyncio.all_tasks() - kept:
        await asyncio.wait(others)
