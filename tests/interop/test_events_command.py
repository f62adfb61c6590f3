"""`bindpost events` beside `bindpost serve`, as people use them: after a failed start, and live."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from bindpost.client import EventFilter
from bindpost.proxy.local import free_port
from bindpost.testing import Serve

PATIENCE = 30.0
NOWHERE = "winsock://127.0.0.1:1"
COMMAND = [sys.executable, "-m", "bindpost", "events"]


def listed(folder: Path, *options: str) -> list[dict[str, Any]]:
    """Give what `bindpost events list --json` prints for the data folder."""
    done = subprocess.run(
        [*COMMAND, "list", "--json", "--data", "data", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_a_failed_start_is_found_afterwards(serve: Serve, tmp_path: Path) -> None:
    """The server has gone with status 69; the data folder tells why."""
    serving = serve("--via", NOWHERE)
    assert serving.wait_end() == 69

    (failed,) = listed(tmp_path, "--id", "4007")

    logged = next(record for record in serving.records if record.get("EventID") == 4007)
    assert failed["message"] == logged["message"]
    assert failed["strings"] == logged["Data"] == ["10050"]
    assert failed["error"] == logged["error"]
    assert failed["fields"] == logged["bindpost"]
    assert [found["id"] for found in listed(tmp_path)[:3]] == [113, 4020, 4007]


def test_every_event_of_the_log_is_kept(serve: Serve, tmp_path: Path) -> None:
    """What the log has, from the first to the last, the data folder has, over two starts."""
    logged = []
    for _ in range(2):
        serving = serve().wait_ready()
        assert serving.stop() == 0
        logged += serving.event_ids()

    kept = listed(tmp_path, "--limit", "0")

    assert [found["id"] for found in kept][::-1] == logged
    assert kept[0]["id"] == 1001


def test_a_killed_server_has_kept_what_it_told(serve: Serve, tmp_path: Path) -> None:
    """A process that dies at once loses no event that somebody has been told of."""
    serving = serve("--via", NOWHERE, "--on-bind-failure", "continue").wait_ready()
    told = next(serving.client.follow_events(EventFilter(ids=(4007,), after=0)))
    serving.process.kill()
    serving.process.wait(PATIENCE)

    (kept,) = listed(tmp_path, "--id", "4007")
    assert kept["cursor"] == told.cursor


def test_a_running_server_tells_of_it_over_its_api(serve: Serve, tmp_path: Path) -> None:
    """With `continue` the web side stays up: API, file and export tell the same 4007."""
    serving = serve("--via", NOWHERE, "--on-bind-failure", "continue").wait_ready()

    told = next(serving.client.follow_events(EventFilter(ids=(4007,), after=0)))
    (kept,) = listed(tmp_path, "--id", "4007")
    line = b"".join(serving.client.export_events("json", EventFilter(ids=(4007,))))

    assert told.strings == ("10050",)
    assert serving.client.events(EventFilter(ids=(4007,))) == [told]
    assert (kept["cursor"], kept["message"]) == (told.cursor, told.message)
    exported = json.loads(line)
    exported["winlog"]["record_id"] = 0
    (logged,) = [record for record in serving.records if record.get("EventID") == 4007]
    assert exported == logged | {"winlog": logged["winlog"] | {"record_id": 0}}
    assert serving.stop() == 0


def test_following_over_a_restart(serve: Serve, tmp_path: Path) -> None:
    """`follow` tells what happens while it is connected, and what happened while it wasn't."""
    web = f"http://127.0.0.1:{free_port()}"  # which nobody is given while it is not bound
    first = serve("--web", web.removeprefix("http://")).wait_ready()
    process = subprocess.Popen(
        [*COMMAND, "follow", "--json", "--server", web, "--id", "100", "--after", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        assert ready["fields"]["web"] == web
        assert first.stop() == 0
        second = serve("--web", web.removeprefix("http://")).wait_ready()

        again = json.loads(process.stdout.readline())

        assert again["cursor"] > ready["cursor"]
        assert again["fields"]["smtp"] == second.ready["bindpost"]["smtp"]
        process.send_signal(signal.SIGINT)
        rest, complaints = process.communicate(timeout=PATIENCE)
        assert (process.returncode, rest) == (130, "")
        assert complaints.count("trying again") == 1
        assert "Traceback" not in complaints
    finally:
        process.kill()
        process.communicate()


def test_a_reader_that_goes_away_is_no_error(serve: Serve, tmp_path: Path) -> None:
    """`events list | head -1` prints a line and no complaint."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        serving = serve(listen=f"127.0.0.1:{other.getsockname()[1]}")
        assert serving.wait_end() == 69
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, "export", "--data", "data"],
            stdout=writing,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            timeout=PATIENCE,
            check=False,
        )
    finally:
        os.close(writing)

    assert done.stderr == b""
    assert done.returncode == 141
