"""
One protocol under atheris, until there were enough inputs: `python -m tests.fuzz.fuzzing`.

libFuzzer keeps what reaches new code, and mutates it by the protocol's grammar and, for a quarter,
byte by byte. A failure ends the process with the input in a file. `scripts/fuzz` starts it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]  # no types

COVERED: Final = ["bindpost", "aiosmtpd"]
"""Packages whose code is watched."""
LONGEST: Final = 2500
"""Bytes of an input."""
WARM: Final = 5_000
"""Inputs after which memory and descriptors are noted for the first time."""
AUDIT: Final = 10_000
"""Inputs between two counts of objects."""
HANG: Final = 60
"""Seconds after which libFuzzer takes an input for one that hangs."""


def main(  # all that the command line has
    name: str, inputs: int, seconds: float, seed: int, folder: Path, *, blind: bool
) -> None:
    """
    Fuzz; ends the process. `blind` goes by what earlier runs have kept, and watches no code.

    `folder` gets what reaches new code (`kept`), what was found (`found-*`) and `report.json`.
    """
    with nullcontext() if blind else atheris.instrument_imports(include=COVERED):
        from .arena import Arena
        from .target import target_of

        target = target_of(name)
    grammar = target.grammar
    for part in ("kept", "seeds"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(grammar.seeds):
        (folder / "seeds" / str(number)).write_bytes(data)
    pool = [*grammar.seeds, *(path.read_bytes() for path in sorted((folder / "kept").iterdir()))]

    def mutate(data: bytes, limit: int, number: int) -> bytes:
        chance = random.Random(number)
        if blind:  # libFuzzer sees no difference between inputs, and keeps none
            data = chance.choice(pool)
        if chance.randrange(4) == 0:
            return bytes(atheris.Mutate(data, limit))
        return grammar.mutate(data, chance)[:limit]

    atheris.Setup(
        [
            "fuzzing",
            f"-seed={seed}",
            f"-max_len={LONGEST}",
            f"-timeout={HANG}",
            f"-artifact_prefix={folder}/found-",
            "-len_control=0",
            str(folder / "kept"),
            str(folder / "seeds"),
        ],
        _Run(Arena(target).__enter__(), inputs, seconds, folder),
        custom_mutator=mutate,
    )
    atheris.Fuzz()


class _Run:
    """Plays inputs until there were enough, or the time is over, and then tells of it."""

    def __init__(self, arena: Any, inputs: int, seconds: float, folder: Path) -> None:
        self._arena = arena
        self._inputs = inputs
        self._until = time.monotonic() + seconds
        self._folder = folder
        self._began = time.monotonic()
        self._first = _held()
        self._is_over = False

    def __call__(self, data: bytes) -> None:
        """Play an input; what it fails of is libFuzzer's to tell."""
        if self._is_over:  # libFuzzer ends soon
            return
        arena = self._arena
        try:
            arena.play(data)
            if arena.inputs % AUDIT == 0:
                arena.audit()
                self._tell()
        except Exception:
            self._tell()
            (self._folder / f"found-after-{arena.inputs}").write_bytes(arena.target.as_file(data))
            raise
        if arena.inputs == WARM:
            self._first = _held()
        if arena.inputs >= self._inputs or time.monotonic() >= self._until:
            self._tell()
            self._is_over = True
            os.kill(os.getpid(), signal.SIGUSR1)

    def _tell(self) -> None:
        memory, open_files = zip(self._first, _held(), strict=True)
        report = {
            "inputs": self._arena.inputs,
            "seconds": time.monotonic() - self._began,
            "memory": memory,
            "descriptors": open_files,
        }
        (self._folder / "report.json").write_text(json.dumps(report), "utf-8")


def _held() -> tuple[float, int]:
    """Tell how many MiB are resident, and how many descriptors open."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20, len(os.listdir("/dev/fd"))


if __name__ == "__main__":
    _, name, inputs, seconds, seed, folder, blind = sys.argv
    main(name, int(inputs), float(seconds), int(seed), Path(folder), blind=blind == "blind")
