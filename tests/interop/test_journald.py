"""A real systemd-journald, in a namespace of its own, shows our fields and the explanation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bindpost import events
from bindpost.server.eventlog import EventRecord, Failure
from bindpost.server.eventlog.kit import kit_files
from bindpost.server.eventlog.sinks.journald import JournaldSink
from bindpost.testing import Serve

if TYPE_CHECKING:
    from tests.interop.conftest import StartNotifying

PATIENCE = 20.0
DATABASE = Path("/var/lib/systemd/catalog/database")
"""Where journalctl looks for the compiled catalogue, whatever else it is told."""


class Journal:
    """A journald of a namespace: its socket, and what it has."""

    def __init__(self, daemon: Path, reader: Path, start_notifying: StartNotifying) -> None:
        self.namespace = f"bindpost{os.getpid()}"
        self.socket = Path(f"/run/systemd/journal.{self.namespace}/socket")
        self._reader = [str(reader), f"--namespace={self.namespace}", "--no-pager"]
        self._process = start_notifying(daemon, self.namespace)

    def follow(self, *matches: str, count: int) -> list[dict[str, str]]:
        """Wait for so many entries that match, and give them."""
        command = [*self._reader, "--follow", "--lines=all", "-o", "json", *matches]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdout is not None
            entries = [json.loads(reader.stdout.readline()) for _ in range(count)]
            reader.terminate()
        return entries

    def explain(self, catalogue: Path, *options: str) -> str:
        """Give what `journalctl -x` prints with the catalogue below a root of its own."""
        script = f'mount --bind "$0" {DATABASE.parent} && exec "$@"'
        own = catalogue / DATABASE.parent.relative_to("/")
        private = ["unshare", "--mount", "sh", "-c", script, str(own)]
        command = [*private, *self._reader, "--catalog", *options]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def end(self) -> None:
        """End it by its pid, and take away what it kept."""
        self._process.terminate()
        self._process.wait(PATIENCE)
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
        for folder in ("/var/log/journal", "/run/log/journal"):
            shutil.rmtree(f"{folder}/{machine}.{self.namespace}", ignore_errors=True)
        shutil.rmtree(self.socket.parent, ignore_errors=True)


@pytest.fixture
def journal(program: Callable[[str], Path], start_notifying: StartNotifying) -> Iterator[Journal]:
    """Start a journal; it takes root."""
    daemon, reader = program("systemd-journald"), program("journalctl")
    if os.geteuid() != 0:
        pytest.skip("systemd-journald can be started by root only")
    journal = Journal(daemon, reader, start_notifying)
    yield journal
    journal.end()


def test_a_failed_start_is_in_the_journal(journal: Journal, serve: Serve, tmp_path: Path) -> None:
    """4007 stands there with number, source, code and constant MESSAGE_ID, then 4020."""
    settings = f'[event_log]\njournald = "{journal.socket}"\n'
    (tmp_path / "bindpost.toml").write_text(settings, encoding="utf-8")

    assert serve("--via", "winsock://127.0.0.1:1").wait_end() == 69

    entry, then = journal.follow("EVENT_SOURCE=MSExchangeIMC", count=2)
    assert entry["MESSAGE"] == events.BIND_FAILED.sentence({"wsa_error": 10050})
    assert entry["MESSAGE_ID"] == events.BIND_FAILED.message_id
    assert entry["PRIORITY"] == "3"
    assert entry["SYSLOG_IDENTIFIER"] == "MSExchangeIMC"
    assert entry["EVENT_ID"] == "4007"
    assert entry["EVENT_IDENTIFIER"] == "0xC0000FA7"
    assert (entry["ERROR_CODE"], entry["ERROR_NAME"]) == ("10050", "WSAENETDOWN")
    assert entry["BINDPOST_HOP"] == "connect"
    assert then["EVENT_ID"] == "4020"


def test_a_value_of_several_lines_comes_back_as_it_was(
    journal: Journal, bind_failed: EventRecord
) -> None:
    """A traceback has line breaks, so its field is sent with its length before it."""
    sink = JournaldSink(str(journal.socket))
    trace = "Traceback\n  line \N{GREEK SMALL LETTER ALPHA}\n=last"
    sink.write(
        replace(
            bind_failed,
            failure=Failure(code="10050", type="WSAENETDOWN", stack_trace=trace),
            fields={"via": "x=y\\x0a"},
        )
    )
    sink.close()

    (entry,) = journal.follow("EVENT_ID=4007", count=1)
    assert entry["ERROR_STACK_TRACE"] == trace
    assert entry["BINDPOST_VIA"] == "x=y\\x0a"


@pytest.fixture
def catalogue(program: Callable[[str], Path], tmp_path: Path) -> Path:
    """Compile the kit's catalogue below a root of its own."""
    sources = tmp_path / "root/usr/lib/systemd/catalog"
    sources.mkdir(parents=True)
    (sources / "bindpost.catalog").write_bytes(kit_files()["bindpost.catalog"])
    root = tmp_path / "root"
    command = [str(program("journalctl")), "--root", str(root), "--update-catalog"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    return root


def test_the_kits_catalogue_has_every_event(
    program: Callable[[str], Path], catalogue: Path
) -> None:
    """journalctl takes the catalogue without complaint, and finds each event by MESSAGE_ID."""
    command = [str(program("journalctl")), "--root", str(catalogue), "--list-catalog"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert {line.split()[0] for line in listed.splitlines()} == {
        event.message_id for event in events.CATALOGUE
    }


def test_journalctl_explains_a_failed_start(
    journal: Journal, serve: Serve, catalogue: Path, tmp_path: Path
) -> None:
    """`journalctl -x` shows the explanation, with code, hop and hint of this very failure."""
    settings = f'[event_log]\njournald = "{journal.socket}"\n'
    (tmp_path / "bindpost.toml").write_text(settings, encoding="utf-8")
    assert serve("--via", "winsock://127.0.0.1:1").wait_end() == 69
    (entry,) = journal.follow("EVENT_ID=4007", count=1)

    shown = journal.explain(catalogue, "EVENT_ID=4007")

    words = " ".join(
        line.removeprefix("\N{LIGHT SHADE}" * 2) for line in shown.splitlines()
    ).split()
    text = " ".join(words)
    assert "Subject: Event 4007, MSExchangeIMC: bind listener" in text
    assert events.BIND_FAILED.explanation in text
    assert "The error was 10050 (WSAENETDOWN): Network is down." in text
    assert f"It was at this hop: connect. The reason: {entry['BINDPOST_REASON']}" in text
    assert entry["BINDPOST_HINT"] in text
