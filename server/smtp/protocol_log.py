"""
IMS's SMTP protocol log: files L0000000.LOG, L0000001.LOG and so on, one for each session at a time.

Attested (KB Q154505, Q262945, Q245787, Q295725): the file names, one file per concurrent
connection, later connections in the same file, the levels, the stamps, the texts, the arrows as
seen by the server, raw further lines of a reply, a blank line after replies and after a client's
answer to AUTH, none after commands, no line for the banner.

Ours: a session takes the lowest number that is free; an old file is appended to; lines end with
CRLF; message data is logged as commands are at Maximum; what was left out is noted; control
characters in commands are escaped.
"""

from __future__ import annotations

import heapq
import re
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from bindpost import events
from bindpost.errors import ConfigError
from bindpost.log import get_logger

from .reader import SECRET, shown

LevelName = Literal["None", "Minimum", "Medium", "Maximum"]
LEVELS: Final[dict[LevelName, int]] = {"None": 0, "Minimum": 1, "Medium": 3, "Maximum": 5}
"""The levels by their numbers in the registry (KB Q154505)."""

MAX_WAITING: Final = 16 * 1024 * 1024
"""Bytes that may wait for the disk; what comes on top of them is left out."""

_CRLF: Final = b"\r\n"
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

_LOG: Final = get_logger("bindpost.smtp")


class ProtocolLog:
    """
    The protocol log of a service, for any number of sessions at once.

    Nothing here waits for the disk, except `close`: a thread of its own writes. A folder that can
    no longer be written to is reported once, and harms no session. `clock` gives the local time.
    Raises `ConfigError` when the folder cannot be made.
    """

    def __init__(
        self,
        directory: Path,
        level: LevelName,
        *,
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.level = LEVELS[level]
        self.clock = clock
        self._directory = directory
        self._free: list[int] = []
        self._next = 0
        self._lock = threading.Lock()
        self._waiting: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._size = 0
        self._closed = False
        self._reported = False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="bindpost-protocol-log")
        if self.level:
            self._make_directory()

    def open(self, peer: str) -> SessionLog:
        """Begin a session's log; `peer` is the client's name, or its address."""
        with self._lock:
            if self._free:
                number = heapq.heappop(self._free)
            else:
                number, self._next = self._next, self._next + 1
        return SessionLog(self, number, peer)

    def write(self, number: int, data: bytes) -> bool:
        """Queue bytes for a file; False if there was no room, and they are left out."""
        with self._lock:
            if self._closed or self._size + len(data) > MAX_WAITING:
                return False
            if not self._waiting:
                self._writer.submit(self._drain)
            self._waiting[number] += data
            self._size += len(data)
        return True

    def release(self, number: int) -> None:
        """Let another session have a file."""
        with self._lock:
            heapq.heappush(self._free, number)

    def close(self) -> None:
        """Write what waits, and stop; this waits for the disk. Later lines are left out."""
        with self._lock:
            self._closed = True
        self._writer.shutdown()

    def _make_directory(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                "protocol_log.directory",
                f"the folder {self._directory} cannot be made: {error.strerror}",
                hint="name a folder that can be written to, or none",
            ) from error

    def _drain(self) -> None:
        """Write all that waits; runs in the writer's thread."""
        with self._lock:
            batch, self._waiting = self._waiting, defaultdict(bytearray)
            self._size = 0
        for number, data in batch.items():
            try:
                with (self._directory / f"L{number:07}.LOG").open("ab") as file:
                    file.write(data)
            except OSError as error:
                self._report(error)

    def _report(self, error: OSError) -> None:
        if not self._reported:
            self._reported = True
            _LOG.error(events.PROTOCOL_LOG_FAILED, directory=self._directory, error=error)


class SessionLog:
    """
    The protocol log of one session. Every method is quick and raises nothing.

    Callers pass lines whose AUTH secrets are replaced already. To be safe it is done here again: an
    initial response, and the line that follows a 334, become `********`.
    """

    def __init__(self, protocol_log: ProtocolLog, number: int, peer: str) -> None:
        self._log = protocol_log
        self._number = number
        self._level = protocol_log.level
        self._answers_challenge = False
        self._greeted = False
        self._left_out = 0
        self._open = True
        if self._level >= LEVELS["Minimum"]:
            name = _visible(peer.encode("utf-8", "replace"))
            self._write(b"A connection was accepted from " + name + b".")

    def received(self, line: bytes) -> None:
        """Log a command, or an answer to AUTH's challenge; with or without its CRLF."""
        if self._level < LEVELS["Medium"]:
            return
        self._greeted = True
        secret, self._answers_challenge = self._answers_challenge, False
        text = SECRET if secret else shown(line)
        if self._level >= LEVELS["Maximum"]:
            self._write(b"<<< IO: |" + text + _CRLF)
        # IMS logs an answer to a challenge as it came, with its CRLF (KB Q262945).
        self._write(b"<<< " + _visible(text) + (_CRLF if secret else b""))

    def sent(self, reply: bytes) -> None:
        """Log a reply as it went out, with its CRLFs. The banner is left out, as IMS does."""
        if self._level < LEVELS["Medium"]:
            return
        banner, self._greeted = not self._greeted and reply.startswith(b"220"), True
        if banner:
            return
        self._answers_challenge = reply.startswith(b"334")
        self._write(b">>> " + reply.rstrip(_CRLF) + _CRLF)

    def data(self, chunk: bytes) -> None:
        """Log raw bytes of a message, at level Maximum only."""
        if self._level >= LEVELS["Maximum"]:
            self._write(b"<<< IO: |" + chunk)

    def close(self) -> None:
        """End the session's log; another session may then take its file. Can be called twice."""
        if self._open:
            self._open = False
            self._log.release(self._number)

    def _write(self, text: bytes) -> None:
        if not self._open:
            return
        note = b"(%d entries left out)" % self._left_out
        entries = (note, text) if self._left_out else (text,)
        stamp = _stamp(self._log.clock())
        data = b"".join(stamp + entry + _CRLF for entry in entries)
        self._left_out = 0 if self._log.write(self._number, data) else self._left_out + 1


def _stamp(now: datetime) -> bytes:
    """Give `M/D/YY h:mm:ss AM : `, without leading zeros in month, day and hour."""
    half = "AM" if now.hour < 12 else "PM"
    hour = now.hour % 12 or 12
    day = f"{now.month}/{now.day}/{now.year % 100:02}"
    return f"{day} {hour}:{now.minute:02}:{now.second:02} {half} : ".encode()


def _visible(line: bytes) -> bytes:
    r"""Escape control characters as `\x1b`, so that no client forges a line of the log."""
    return _CONTROL.sub(lambda match: b"\\x%02x" % match[0][0], line)
