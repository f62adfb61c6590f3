"""
A siege: all that hostile peers can do at once, and honest clients who are served throughout.

Slow senders of commands and of messages, half-open sessions, a message of 10 GB, a header that
never ends, and messages that unfold when they are read, which a browser reads meanwhile. The
server is a real `bindpost serve` with its default limits. docs/reliability.md has the figures.
"""

from __future__ import annotations

import json
import resource
import smtplib
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from bindpost.config.model import Limits
from bindpost.testing import Serve, Serving

from .besiegers import MIB, Plan

MEMORY: Final = Limits().in_flight + Limits().message_size + 128 * MIB
"""Most that the server may have resident at any time: messages on their way, and the rest."""
ANSWERED: Final = 5.0
"""Seconds in which an honest client has its 250, from its connect."""
SHOWN: Final = 10.0
"""Seconds in which a list and the newest message are shown, which may be one that unfolds."""
PATIENCE: Final = 60.0
HONEST: Final = 4
MAIL: Final = b"Subject: honest\r\n\r\nhello\r\n"
BESIEGERS: Final = Path(__file__).with_name("besiegers.py")

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
    pytest.mark.skipif(
        resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 8192,
        reason="the system allows too few open files",
    ),
]


@dataclass
class Outcome:
    """What came of a siege: the seconds until each honest one's answer, and the server's memory."""

    mails: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    peak: int = 0
    deeds: dict[str, Any] = field(default_factory=dict)


class Besiegers:
    """The program that besieges, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def listen(self) -> dict[str, Any]:
        """Give the next thing that it says."""
        assert self._process.stdout is not None
        said: dict[str, Any] = json.loads(self._process.stdout.readline())
        return said

    def end(self) -> dict[str, Any]:
        """Let it come to its end; gives what was done."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self.listen()


@contextmanager
def besieging(address: tuple[str, int], plan: Plan) -> Iterator[Besiegers]:
    """Besiege a server until the block ends."""
    command = [
        sys.executable,
        str(BESIEGERS),
        address[0],
        str(address[1]),
        json.dumps(asdict(plan)),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Besiegers(process)
        finally:
            process.kill()


def _deliver(address: tuple[str, int]) -> float:
    """Send a mail as an honest client; gives the seconds from its connect to its 250."""
    begun = time.monotonic()
    with smtplib.SMTP(*address, timeout=PATIENCE) as client:
        client.sendmail("honest@example.org", ["b@example.org"], MAIL)
        return time.monotonic() - begun


def _look(web: str) -> float:
    """Look at the newest messages and at one of them; gives the seconds that it took."""
    begun = time.monotonic()
    for path in ("api/v1/messages?limit=50", "api/v1/message/latest"):
        with urllib.request.urlopen(f"{web}{path}", timeout=PATIENCE) as answer:
            answer.read()
    return time.monotonic() - begun


class HonestOnes:
    """Clients that send one mail after the other, and one that reads, until it is over."""

    def __init__(self, serving: Serving, outcome: Outcome, is_over: Callable[[], bool]) -> None:
        web = serving.ready["bindpost"]["web"].rstrip("/") + "/"
        works = [(lambda: _deliver(serving.smtp), outcome.mails)] * HONEST
        works.append((lambda: _look(web), outcome.pages))
        self._trouble = outcome.trouble
        self._is_over = is_over
        self._threads = [threading.Thread(target=self._work, args=work) for work in works]
        for thread in self._threads:
            thread.start()

    def _work(self, do: Callable[[], float], times: list[float]) -> None:
        while not self._is_over():
            try:
                times.append(do())
            except (OSError, smtplib.SMTPException) as error:
                self._trouble.append(repr(error))

    def wait(self) -> None:
        """Return when all of them have come to their end."""
        for thread in self._threads:
            thread.join()


def _peak(pid: int) -> int:
    """Give the most bytes that a process has had resident at once."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _withstand(serve: Serve, plan: Plan, *, seconds: float) -> Outcome:
    """Go through a siege of so many seconds, and until the giant message has got its answer."""
    serving = serve().wait_ready()
    _deliver(serving.smtp)  # so that there is a newest message from the beginning
    outcome, giant_is_over = Outcome(), threading.Event()
    with besieging(serving.smtp, plan) as besiegers:
        assert besiegers.listen() == {"ready": True}
        end = time.monotonic() + seconds
        honest = HonestOnes(
            serving, outcome, lambda: giant_is_over.is_set() and time.monotonic() >= end
        )
        try:
            besiegers.listen()
        finally:
            giant_is_over.set()
            honest.wait()
        outcome.peak = _peak(serving.process.pid)
        outcome.deeds = besiegers.end()
    assert serving.stop() == 0
    assert [record for record in serving.records if "not-json" in record] == []
    return outcome


def _hold(outcome: Outcome, plan: Plan, *, busy: float = 1.0) -> None:
    """Hold what came of a siege against what is promised; `busy` is how much slower it may be."""
    deeds = outcome.deeds
    print(_figures(outcome))  # noqa: T201 - `pytest -s` shows what goes into docs/reliability.md
    assert outcome.trouble == []
    assert max(outcome.mails) < ANSWERED * busy
    assert max(outcome.pages) < SHOWN * busy
    assert outcome.peak < MEMORY
    assert deeds["giant"] == plan.giant * MIB
    assert deeds["giant_answer"].startswith("552 ")
    assert deeds["half_open"] == plan.half_open
    assert set(deeds["bombs"]) == {"250"}
    assert deeds["endless_header"] > plan.giant  # bytes and MiB: that it was at work at all
    assert deeds["dripped"] > plan.slow_commands + plan.slow_messages


def _figures(outcome: Outcome) -> str:
    mails, pages = sorted(outcome.mails), sorted(outcome.pages)
    return (
        f"mails {len(mails)}, median {mails[len(mails) // 2]:.3f} s, longest {mails[-1]:.3f} s; "
        f"pages {len(pages)}, median {pages[len(pages) // 2]:.3f} s, longest {pages[-1]:.3f} s; "
        f"memory {outcome.peak / MIB:.0f} MiB; {outcome.deeds}"
    )


def test_a_short_siege(serve: Serve) -> None:
    """A few seconds of it, so that it is held at each run, with other tests beside it."""
    plan = Plan(half_open=300, slow_commands=50, slow_messages=50, giant=512)

    _hold(_withstand(serve, plan, seconds=1.0), plan, busy=3.0)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_siege_of_a_minute(serve: Serve) -> None:
    """2,000 half-open sessions, a message of 10 GB, and all the others, for a minute."""
    plan = Plan(half_open=2_000, slow_commands=200, slow_messages=200, giant=10_240)

    _hold(_withstand(serve, plan, seconds=60.0), plan)
