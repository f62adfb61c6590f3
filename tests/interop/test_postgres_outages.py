"""PostgreSQL is away, or stands still, under the load of three nodes: what everybody sees."""

from __future__ import annotations

import json
import os
import smtplib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from http.client import HTTPConnection
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from bindpost.events import STORE_BACK, STORE_FAILED
from bindpost.testing import PATIENCE, Load, Serving, check_kept, moment
from bindpost.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from tests.interop.conftest import Balanced

SENDERS = 9
AWAY = 5.0
"""Longest time to an answer when PostgreSQL has ended."""
SILENT = 40.0
"""The same when it is there and says nothing."""
BACK = 5.0
"""Longest time from its return until a node takes mail again."""
SLACK = 3.0
"""Seconds that a busy machine may take to do what is due."""
WAIT = "/api/bindpost/v1/wait?recipient=afterwards%40example.test&timeout=200"

CUT = "tests.interop.cut_database"
ROOT = Path(__file__).parents[2]
MAIL = b"Subject: afterwards\r\n\r\n"
LONG = (pytest.mark.long, pytest.mark.timeout(300))

Note = Callable[[str, object], None]
"""pytest's record_property: the figures are in the report of `--junitxml`."""


def ask(node: Serving, path: str, *, patience: float = PATIENCE) -> HTTPConnection:
    """Send a request to a node."""
    place = urlsplit(node.ready["bindpost"]["web"])
    connection = HTTPConnection(str(place.hostname), place.port, timeout=patience)
    connection.request("GET", path)
    return connection


def answer(connection: HTTPConnection) -> tuple[int, str]:
    """Give status and text of an answer."""
    with closing(connection):
        response = connection.getresponse()
        return response.status, response.read().decode()


def check_refused(nodes: Iterable[Serving], paths: Iterable[str], *, patience: float) -> None:
    """See that each node says on each path, asked at once, that PostgreSQL is not to be had."""
    asked = [ask(node, path, patience=patience) for node, path in product(nodes, paths)]
    for status, text in map(answer, asked):
        assert (status, "PostgreSQL" in text) == (503, True)


class Siege:
    """The load of three nodes, and a `wait` at the first of them, from before an outage."""

    def __init__(self, balanced: Balanced, *, patience: float) -> None:
        self.nodes = balanced.nodes
        self._smtp = balanced.smtp
        self._waiting = ask(self.nodes[0], WAIT, patience=patience)
        self.load = Load(balanced.smtp, senders=SENDERS, again=True, patience=2 * SILENT)
        self.load.wait_for_acknowledged(100)

    def answers_between(self, begun: float, ended: float) -> Counter[int]:
        """Count the codes of the answers to messages that came and were answered in this time."""
        return Counter(
            one.code
            for one in self.load.answers
            if begun <= one.at - one.seconds and one.at <= ended
        )

    def slowest(self) -> float:
        """Give the longest time to an answer, in seconds."""
        return max(one.seconds for one in self.load.answers)

    def end(self) -> int:
        """
        See that all goes on: the `wait` is answered, pages are there, and what was acknowledged.

        Gives how many messages are there that were not acknowledged.
        """
        self.load.wait_for_more(50)
        self.load.stop()
        with smtplib.SMTP(*self._smtp) as smtp:
            smtp.sendmail("a@b.test", ["afterwards@example.test"], MAIL)
        status, text = answer(self._waiting)
        assert status == 200, text
        for node in self.nodes:
            assert answer(ask(node, "/"))[0] == 200
        sent = self.load.acknowledged | {"afterwards": MAIL}
        return check_kept(sent, self.nodes[-1].client)


@pytest.mark.parametrize("seconds", [1.0, pytest.param(60.0, marks=LONG)])
def test_away(
    balanced: Balanced, postgres: PostgresServer, record_property: Note, seconds: float
) -> None:
    """Its process has gone: 451 at once and pages that say why; then all goes on by itself."""
    siege = Siege(balanced, patience=seconds + PATIENCE)

    with postgres.away():
        gone = time.monotonic()
        check_refused(siege.nodes, ("/", WAIT), patience=AWAY + SLACK)
        siege.load.wait_for_answer(gone + seconds, patience=seconds + PATIENCE)
        returns = time.monotonic()
    back = time.time()
    told = [moment(node.wait_for_event(STORE_BACK.id)) - back for node in siege.nodes]
    unacknowledged = siege.end()

    refused = siege.answers_between(gone, returns)
    assert set(refused) == {451}
    assert {one.code for one in siege.load.answers} == {250, 451}
    assert siege.slowest() < AWAY + SLACK
    assert max(told) < BACK + SLACK
    assert unacknowledged <= SENDERS
    for node in siege.nodes:
        assert node.stop() == 0
        assert [node.event_ids().count(one.id) for one in (STORE_FAILED, STORE_BACK)] == [1, 1]
    record_property("refused", refused[451])
    record_property("slowest", siege.slowest())
    record_property("back", told)
    record_property("unacknowledged", unacknowledged)


def test_a_moment_of_standing_still(balanced: Balanced, postgres: PostgresServer) -> None:
    """It stands still for less than is waited for: senders wait, and none of them is refused."""
    siege = Siege(balanced, patience=PATIENCE)
    before = len(siege.load.answers)

    with postgres.still():
        stood = time.monotonic()
        with pytest.raises(TimeoutError):
            answer(ask(siege.nodes[1], "/", patience=1))
        goes_on = time.monotonic()

    assert siege.end() == 0
    assert {one.code for one in siege.load.answers} == {250}
    assert siege.answers_between(stood, goes_on) == {}
    assert len(siege.load.answers) > before


@pytest.mark.long
@pytest.mark.timeout(300)
def test_standing_still_for_a_minute(
    balanced: Balanced, postgres: PostgresServer, record_property: Note
) -> None:
    """It is there and says nothing: 451 after a while, as if it were away; then all goes on."""
    siege = Siege(balanced, patience=60 + PATIENCE)

    with postgres.still():
        stood = time.monotonic()
        check_refused(siege.nodes, ("/",), patience=SILENT + SLACK)
        siege.load.wait_for_answer(stood + 60, patience=60 + PATIENCE)
        goes_on = time.monotonic()
    back = time.time()
    told = [moment(node.wait_for_event(STORE_BACK.id)) - back for node in siege.nodes]
    unacknowledged = siege.end()

    refused = siege.answers_between(stood, goes_on)
    assert set(refused) == {451}
    assert siege.slowest() < SILENT + SLACK
    assert max(told) < BACK + SLACK
    assert unacknowledged <= SENDERS
    record_property("refused", refused[451])
    record_property("slowest", siege.slowest())
    record_property("back", told)
    record_property("unacknowledged", unacknowledged)


@pytest.mark.parametrize("patience", [1, pytest.param(5, marks=LONG)])
def test_its_machine_vanishes(
    program: Callable[[str], Path], record_property: Note, patience: int
) -> None:
    """Nothing comes from there any more: missed after twice the patience; then all goes on."""
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    programs = [str(program(name)) for name in ("initdb", "pg_ctl")]

    done = subprocess.run(
        [program("unshare"), "--net", sys.executable, "-m", CUT, *programs, str(patience)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    seconds = json.loads(done.stdout)
    assert 1.5 * patience < seconds["write"] < 2 * patience + SLACK
    assert seconds["read"] < 3 * patience + SLACK
    assert seconds["back"] < BACK + SLACK
    record_property("seconds", seconds)
