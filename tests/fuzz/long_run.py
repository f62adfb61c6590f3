"""The long run of `scripts/fuzz`: one protocol after the other, each in a process, and a table."""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from .target import PROTOCOLS

FOLDER: Final = Path(".cache", "fuzz")
GROWTH: Final = 64.0
"""MiB that a run may have grown since it was warm; libFuzzer keeps its own corpus in memory."""
HEAD: Final = "protocol     inputs  seconds  features  kept  MiB: warm, end  descriptors: warm, end"
_STATUS: Final = re.compile(rb"cov: \d+ ft: (\d+) corp: (\d+)/")


def main() -> int:
    """Run what the command line asks for; gives 1 when something was found."""
    asked = _arguments()
    print(HEAD, flush=True)
    problems = [problem for name in asked.protocol or PROTOCOLS if (problem := _run(name, asked))]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("protocol", nargs="*", choices=[*PROTOCOLS, []], help="all, unless named")
    parser.add_argument("--inputs", type=int, default=50_000, help="of each protocol")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for each protocol")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(1, 2**31), help="told in the log"
    )
    parser.add_argument(
        "--blind",
        action="store_true",
        help="go by what earlier runs kept, and watch no code: twice as many inputs a second",
    )
    return parser.parse_args()


def _run(name: str, asked: argparse.Namespace) -> str:
    """Fuzz one protocol, print its line, and give what was found."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    log = folder / "log"
    command = [sys.executable, "-m", "tests.fuzz.fuzzing", name, str(asked.inputs)]
    command += [str(asked.seconds), str(asked.seed), str(folder), "blind" if asked.blind else ""]
    with log.open("wb") as file:
        status = subprocess.run(command, stdout=file, stderr=file).returncode
    told: dict[str, Any] = json.loads(report.read_text("utf-8")) if report.exists() else {}
    if told:
        print(_line(name, told, log.read_bytes()), flush=True)
    if status or not told:
        return f"{name}: something was found, seed {asked.seed}: see {folder}/found-* and {log}"
    warm, end = told["memory"]
    if end - warm > GROWTH:
        return f"{name}: it grew by {end - warm:.0f} MiB, seed {asked.seed}"
    return ""


def _line(name: str, told: dict[str, Any], log: bytes) -> str:
    features, kept = map(int, (_STATUS.findall(log) or [(0, 0)])[-1])  # none when blind
    memory = "{:.0f}, {:.0f}".format(*told["memory"])
    descriptors = "{}, {}".format(*told["descriptors"])
    return (
        f"{name:8} {told['inputs']:10,} {told['seconds']:8.0f} {features:9,} {kept:5,}"
        f"{memory:>16}{descriptors:>24}"
    )


if __name__ == "__main__":
    sys.exit(main())
