"""The leash: the programs of a lab that is killed end with it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

LAB = """\
import asyncio, os
from pathlib import Path
from bindpost.server.lab.leash import Leash
from bindpost.server.lab.process import Process

async def start(name, leash):
    command = ["sh", "-c", f"exec 9>{name}; sleep 600 >/dev/null 2>&1 & echo up; exec sleep 600"]
    started = await Process.start(name, command, folder=Path(), log=Path("log"), leash=leash)
    assert await started.until(lambda: started.says("up")), started.last_words
    return started

async def run():
    async with Leash() as leash:
        stopped = await start("stopped", leash)
        await start("killed", leash)
        await stopped.stop()
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(run())
"""


def test_a_killed_lab_takes_its_programs_along(tmp_path: Path) -> None:
    """SIGKILL leaves it no time for anything; what it had started ends, and what that started."""
    for name in ("stopped", "killed"):
        os.mkfifo(tmp_path / name)
    command = [sys.executable, "-c", LAB]
    with (
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as lab,
        contextlib.ExitStack() as ending,
    ):
        ending.callback(lab.kill)
        # A FIFO ends when the last program that has it open for writing has ended.
        stopped = ending.enter_context((tmp_path / "stopped").open("rb"))
        held = ending.enter_context((tmp_path / "killed").open("rb"))
        assert stopped.read() == b""
        assert lab.stdout is not None
        assert lab.stdout.readline() == "ready\n"
        os.set_blocking(held.fileno(), False)
        assert held.read() is None, "it runs"
        os.set_blocking(held.fileno(), True)

        lab.kill()

        assert held.read() == b""
