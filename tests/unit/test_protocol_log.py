"""The SMTP protocol log: byte for byte as IMS's own, as far as that is known."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from bindpost import events
from bindpost.errors import ConfigError
from bindpost.server.smtp import protocol_log
from bindpost.server.smtp.protocol_log import LevelName, ProtocolLog
from bindpost.testing.logged import all_said

NOON = datetime(2000, 5, 13, 14, 36, 27)
Open = Callable[..., ProtocolLog]


@pytest.fixture
def open_log(tmp_path: Path) -> Iterator[Open]:
    """Give a function that opens a protocol log in `log` with a clock that stands still."""
    logs: list[ProtocolLog] = []

    def open_log(level: LevelName = "Medium", now: datetime = NOON) -> ProtocolLog:
        logs.append(ProtocolLog(tmp_path / "log", level, clock=lambda: now))
        return logs[-1]

    yield open_log
    for log in logs:
        log.close()


def written(tmp_path: Path) -> dict[str, bytes]:
    """Give the files of the log."""
    return {path.name: path.read_bytes() for path in (tmp_path / "log").glob("*")}


def lines(*texts: str) -> bytes:
    """Give a log's bytes from its lines."""
    return "".join(f"{text}\r\n" for text in texts).encode()


def test_a_session_as_the_article_shows_it(tmp_path: Path, open_log: Open) -> None:
    """The session of KB Q262945 gives the article's log, but for the secrets of AUTH."""
    log = open_log()
    session = log.open("SERVER1")
    session.sent(b"220 server2.COMPANY2.COM ESMTP Server\r\n")
    session.received(b"EHLO server1.COMPANY1.COM")
    session.sent(b"250-server2.COMPANY2.COM Hello [server2]\r\n250-XEXCH50\r\n250 AUTH=LOGIN\r\n")
    session.received(b"AUTH NTLM TlRMTVNTUAABAAAAt5IAQAcABwAgAAAA")
    session.sent(b"334 TlRMTVNTUAACAAAADgAOADAAAAC1\r\n")
    session.received(b"TlRMTVNTUAADAAAAGAAYAHgAAAAYABgAkAAAAA4A")
    session.sent(b"235 ntlm authentication successful\r\n")
    session.received(b"DATA\r\n")
    session.sent(b"354 Send data.  End with CRLF.CRLF\r\n")
    session.data(b"Subject: x\r\n\r\n")
    session.sent(b"554 Mailbox is not local: JohnD@COMPANY1.com\r\n")
    session.received(b"QUIT")
    session.sent(b"221 closing connection\r\n")
    session.close()
    log.close()

    assert written(tmp_path) == {
        "L0000000.LOG": lines(
            "5/13/00 2:36:27 PM : A connection was accepted from SERVER1.",
            "5/13/00 2:36:27 PM : <<< EHLO server1.COMPANY1.COM",
            "5/13/00 2:36:27 PM : >>> 250-server2.COMPANY2.COM Hello [server2]",
            "250-XEXCH50",
            "250 AUTH=LOGIN",
            "",
            "5/13/00 2:36:27 PM : <<< AUTH NTLM ********",
            "5/13/00 2:36:27 PM : >>> 334 TlRMTVNTUAACAAAADgAOADAAAAC1",
            "",
            "5/13/00 2:36:27 PM : <<< ********",
            "",
            "5/13/00 2:36:27 PM : >>> 235 ntlm authentication successful",
            "",
            "5/13/00 2:36:27 PM : <<< DATA",
            "5/13/00 2:36:27 PM : >>> 354 Send data.  End with CRLF.CRLF",
            "",
            "5/13/00 2:36:27 PM : >>> 554 Mailbox is not local: JohnD@COMPANY1.com",
            "",
            "5/13/00 2:36:27 PM : <<< QUIT",
            "5/13/00 2:36:27 PM : >>> 221 closing connection",
            "",
        )
    }


@pytest.mark.parametrize(
    ("now", "stamp"),
    [
        (datetime(1999, 1, 2, 0, 3, 4), "1/2/99 12:03:04 AM"),
        (datetime(2001, 12, 31, 12, 0, 0), "12/31/01 12:00:00 PM"),
        (datetime(2026, 10, 9, 9, 59, 59), "10/9/26 9:59:59 AM"),
        (datetime(2026, 10, 9, 23, 0, 0), "10/9/26 11:00:00 PM"),
    ],
)
def test_stamps(tmp_path: Path, open_log: Open, now: datetime, stamp: str) -> None:
    """Month, day and hour have no leading zero, midnight and noon are 12."""
    log = open_log(now=now)
    log.open("h")
    log.close()

    assert written(tmp_path)["L0000000.LOG"].decode().startswith(f"{stamp} : A connection")


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("Minimum", ["A connection was accepted from h."]),
        ("Medium", ["A connection was accepted from h.", "<<< NOOP", ">>> 250 OK", ""]),
        (
            "Maximum",
            [
                "A connection was accepted from h.",
                "<<< IO: |NOOP",
                "",
                "<<< NOOP",
                ">>> 250 OK",
                "",
                "<<< IO: |raw\x1b",
                "",
            ],
        ),
    ],
)
def test_levels(tmp_path: Path, open_log: Open, level: LevelName, expected: list[str]) -> None:
    """Minimum logs connections, Medium commands and replies too, Maximum also raw data."""
    log = open_log(level)
    session = log.open("h")
    session.received(b"NOOP")
    session.sent(b"250 OK\r\n")
    session.data(b"raw\x1b\r\n")
    log.close()

    text = written(tmp_path)["L0000000.LOG"].decode()
    assert text.replace("5/13/00 2:36:27 PM : ", "").split("\r\n")[:-1] == expected


def test_level_none_writes_nothing(tmp_path: Path, open_log: Open) -> None:
    """At level None not even the folder is made."""
    log = open_log("None")
    session = log.open("h")
    session.received(b"NOOP")
    session.sent(b"250 OK\r\n")
    session.data(b"x")
    session.close()
    log.close()

    assert not (tmp_path / "log").exists()


def test_concurrent_sessions_have_files_of_their_own(tmp_path: Path, open_log: Open) -> None:
    """Each session that lives at a time has its own file (KB Q154505)."""
    log = open_log()
    first, second = log.open("one"), log.open("two")
    second.received(b"NOOP")
    first.received(b"QUIT")
    log.close()

    files = written(tmp_path)
    assert sorted(files) == ["L0000000.LOG", "L0000001.LOG"]
    assert b"from one." in files["L0000000.LOG"]
    assert b"<<< QUIT" in files["L0000000.LOG"]
    assert b"from two." in files["L0000001.LOG"]
    assert b"<<< NOOP" in files["L0000001.LOG"]


def test_a_later_session_goes_on_in_the_lowest_free_file(tmp_path: Path, open_log: Open) -> None:
    """A file that a session has left is taken by the next one (KB Q295725 shows two in a file)."""
    log = open_log()
    sessions = [log.open(name) for name in ("a", "b", "c")]
    sessions[1].close()
    sessions[0].close()
    sessions[0].close()
    log.open("d")
    log.open("e")
    log.open("f")
    log.close()

    hosts = {
        name: [line.split()[-1].decode() for line in data.splitlines()]
        for name, data in written(tmp_path).items()
    }
    assert hosts == {
        "L0000000.LOG": ["a.", "d."],
        "L0000001.LOG": ["b.", "e."],
        "L0000002.LOG": ["c."],
        "L0000003.LOG": ["f."],
    }


def test_a_new_start_appends(tmp_path: Path, open_log: Open) -> None:
    """What an earlier run has written stays."""
    for name in ("one", "two"):
        log = open_log()
        log.open(name)
        log.close()

    assert written(tmp_path)["L0000000.LOG"].count(b"\r\n") == 2


def test_a_closed_session_writes_nothing(tmp_path: Path, open_log: Open) -> None:
    """After its end a session leaves its file alone, which may be another's by then."""
    log = open_log()
    session = log.open("h")
    session.close()
    session.received(b"LATE")
    log.close()

    assert b"LATE" not in written(tmp_path)["L0000000.LOG"]


@pytest.mark.parametrize(
    ("line", "logged"),
    [
        (b"AUTH PLAIN AGpvZQBzZWNyZXQ=", b"AUTH PLAIN ********"),
        (b"auth login am9l\r\n", b"auth login ********"),
        (b"XAUTH LOGIN am9l", b"XAUTH LOGIN ********"),
        (b"AUTH PLAIN ********", b"AUTH PLAIN ********"),
        (b"AUTH LOGIN", b"AUTH LOGIN"),
        (b"MAIL FROM:<a@b> AUTH=<>", b"MAIL FROM:<a@b> AUTH=<>"),
    ],
)
@pytest.mark.parametrize("level", ["Medium", "Maximum"])
def test_initial_responses_are_never_written(
    tmp_path: Path, open_log: Open, level: LevelName, line: bytes, logged: bytes
) -> None:
    """What a client gives with AUTH is replaced, at every level."""
    log = open_log(level)
    log.open("h").received(line)
    log.close()

    entries = written(tmp_path)["L0000000.LOG"].splitlines()
    assert entries[-1].endswith(b"<<< " + logged)
    assert b"am9l" not in b"".join(entries)
    assert b"c2VjcmV0" not in b"".join(entries)


@pytest.mark.parametrize("level", ["Medium", "Maximum"])
def test_answers_to_challenges_are_never_written(
    tmp_path: Path, open_log: Open, level: LevelName
) -> None:
    """The line after each 334 is replaced, the one after 235 is not."""
    log = open_log(level)
    session = log.open("h")
    for reply, line in ((b"334 a", b"SECRET1"), (b"334 b", b"SECRET2"), (b"235 ok", b"NOOP")):
        session.sent(reply + b"\r\n")
        session.received(line)
    log.close()

    data = written(tmp_path)["L0000000.LOG"]
    assert b"SECRET" not in data
    assert data.endswith(b"<<< NOOP\r\n")


def test_a_client_cannot_forge_lines(tmp_path: Path, open_log: Open) -> None:
    """Control characters in a command, or in a name from DNS, are escaped."""
    log = open_log()
    session = log.open("evil\r\nname\udcff")
    session.received(b"NOOP\r5/13/00 2:36:27 PM : >>> 250 OK\x1b[2J\xff\r\n")
    log.close()

    assert written(tmp_path)["L0000000.LOG"] == (
        b"5/13/00 2:36:27 PM : A connection was accepted from evil\\x0d\\x0aname?.\r\n"
        b"5/13/00 2:36:27 PM : <<< NOOP\\x0d5/13/00 2:36:27 PM : >>> 250 OK\\x1b[2J\xff\r\n"
    )


def test_a_refusal_in_place_of_the_banner_is_logged(tmp_path: Path, open_log: Open) -> None:
    """Only a 220 that comes first is the banner; 521 is logged, and so is the 220 of STARTTLS."""
    log = open_log()
    log.open("h").sent(b"521 server access denied\r\n")
    session = log.open("i")
    session.received(b"STARTTLS")
    session.sent(b"220 ready\r\n")
    log.close()

    assert b">>> 521" in written(tmp_path)["L0000000.LOG"]
    assert b">>> 220" in written(tmp_path)["L0000001.LOG"]


def test_a_folder_that_fails_is_reported_once(tmp_path: Path, open_log: Open) -> None:
    """When the log cannot be written, sessions notice nothing, and one event says so."""
    log = open_log()
    (tmp_path / "log").rmdir()
    with all_said() as said:
        for name in ("one", "two"):
            session = log.open(name)
            session.received(b"NOOP")
        log.close()

    assert [entry["event"] for entry in said] == [events.PROTOCOL_LOG_FAILED]
    assert said[0]["directory"] == tmp_path / "log"


def test_a_folder_that_cannot_be_made_is_a_bad_setting(tmp_path: Path) -> None:
    """A folder that cannot be made is refused at the start, by the setting's name."""
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=r"protocol_log\.directory: the folder .* cannot be made"):
        ProtocolLog(tmp_path / "file" / "log", "Medium")


def test_a_slow_disk_costs_entries_not_memory(tmp_path: Path, open_log: Open) -> None:
    """What has no room while the disk is slow is left out, and the next entry says how much."""
    log = open_log("Maximum")
    session = log.open("h")
    session.data(bytes(protocol_log.MAX_WAITING))
    session.data(bytes(protocol_log.MAX_WAITING))
    session.received(b"NOOP")
    log.close()

    data = written(tmp_path)["L0000000.LOG"]
    assert len(data) < 1000
    assert b" : (2 entries left out)\r\n5/13/00 2:36:27 PM : <<< IO: |NOOP\r\n" in data


def test_writing_happens_in_a_thread_of_its_own(tmp_path: Path) -> None:
    """A session's calls return without touching the disk."""
    wrote: list[str] = []

    class Folder(type(tmp_path)):  # type: ignore[misc]  # the platform's path class
        def __truediv__(self, name: str) -> Path:
            wrote.append(threading.current_thread().name)
            return super().__truediv__(name)  # type: ignore[no-any-return]

    log = ProtocolLog(Folder(tmp_path), "Medium")
    log.open("h").received(b"NOOP")
    log.close()

    assert wrote
    assert all(name.startswith("bindpost-protocol-log") for name in wrote)


def test_lines_after_the_end_of_the_log_are_dropped(tmp_path: Path, open_log: Open) -> None:
    """A session that outlives the log may go on talking to it."""
    log = open_log()
    session = log.open("h")
    log.close()
    session.received(b"LATE")
    session.close()
    log.close()

    assert b"LATE" not in written(tmp_path)["L0000000.LOG"]
