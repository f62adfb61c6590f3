"""The live NT event log as a sink: what a failed start leaves in the file."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bindpost.server.eventlog.evt.reader import EvtReader
from bindpost.testing import Serve


def identifiers(file: Path) -> list[int]:
    """Give the numbers of a log's events, as people see them."""
    with EvtReader(file) as log:
        return [record.identifier & 0xFFFF for record in log]


def settings(folder: Path, more: str = "") -> Path:
    """Have events written to a log file; give its path."""
    file = folder / "AppEvent.Evt"
    text = f"[event_log]\nevt = '{file}'\n{more}"
    (folder / "bindpost.toml").write_text(text, encoding="utf-8")
    return file


def test_a_failed_start_is_in_the_file(
    serve: Serve, tmp_path: Path, program: Callable[[str], Path]
) -> None:
    """The file is clean after the end, and evtexport finds 4007 and 4020 with their facts."""
    file = settings(tmp_path)

    assert serve("--via", "winsock://127.0.0.1:1").wait_end() == 69

    assert identifiers(file)[-3:] == [4007, 4020, 113]
    shown = subprocess.run(
        [program("evtexport"), file], capture_output=True, text=True, check=True
    ).stdout
    assert "0xc0000fa7" in shown
    assert "0xc0000fb4" in shown
    assert "MSExchangeIMC" in shown


def test_the_next_start_goes_on_in_the_same_file(serve: Serve, tmp_path: Path) -> None:
    """A log lives longer than a process; with verbose strings the sentence is in it too."""
    file = settings(tmp_path, "evt_verbose_strings = true\n")
    for _ in range(2):
        assert serve("--via", "winsock://127.0.0.1:1").wait_end() == 69

    assert identifiers(file).count(4007) == 2
    with EvtReader(file) as log:
        told = next(record for record in log if record.identifier & 0xFFFF == 4007)
    assert told.strings[0] == "10050"
    assert told.strings[-1].endswith("listener socket (10050)")


def test_a_file_that_is_no_log_is_left_alone_and_told(serve: Serve, tmp_path: Path) -> None:
    """The service runs; event 150 names the file, which stays as it was."""
    file = settings(tmp_path)
    file.write_bytes(b"something of mine")

    serving = serve().wait_ready()
    told = serving.wait_for(lambda record: record["event"].get("action") == "sink-failed")
    serving.stop()

    assert str(file) in told["bindpost"]["error"]
    assert file.read_bytes() == b"something of mine"


@pytest.mark.parametrize("size", [100, 65])
def test_a_size_that_nt_has_not_is_refused(serve: Serve, tmp_path: Path, size: int) -> None:
    """A size is a multiple of 64 KiB; another ends the start with status 78, and is named."""
    settings(tmp_path, f"evt_size = {size}\n")

    serving = serve()

    assert serving.wait_end() == 78
    assert any("event_log.evt_size" in record.get("not-json", "") for record in serving.records)
