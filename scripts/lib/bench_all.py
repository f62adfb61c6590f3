"""
Asks every question of scripts/bench, one after the other, in about twenty-five minutes.

`scripts/bench all` hands its options on to those questions that have them. A question that fails,
or a soak that does not hold, is named at the end, and the exit status is 1.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from bench_contestants import add_peers
from bench_report import options_of, say

BENCH: Final = Path(__file__).parents[1] / "bench"
QUESTIONS: Final = {
    "paths": False,
    "events": False,
    "store": False,
    "ingest": True,
    "latency": True,
    "memory": True,
    "start": True,
    "soak": False,
    "inbox": False,
    "nodes": False,
}
"""Each with whether it has peers."""


def main() -> None:
    """Ask all."""
    options = options_of("all", __doc__)
    add_peers(options)
    chosen = options.parse_args()
    failed = []
    for question, has_peers in QUESTIONS.items():
        command = [str(BENCH), question]
        if chosen.page:
            command += ["--page", chosen.page]
        if chosen.pictures:
            command += ["--pictures", chosen.pictures]
        if has_peers:
            command += [f"--peer={name}={peer}" for name, peer in chosen.peer]
        say(f"scripts/bench {question}")
        if subprocess.run(command, check=False).returncode:  # noqa: S603
            failed.append(question)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
