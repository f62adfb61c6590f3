"""Dialog: smtplib's client on a connection that is given, made safe against a hostile server."""

from __future__ import annotations

import re
import smtplib
import socket
from collections.abc import Callable, Iterator
from typing import Final

from bindpost.config.endpoint import Endpoint

from .line import Line

LINE_LIMIT: Final = 2048
"""Octets of a reply's line; RFC 5321, 4.5.3.1.5 has 512."""
LINES_LIMIT: Final = 128
"""Lines of one reply."""
_PIECE: Final = 256 * 1024
_REPLY: Final = re.compile(rb"([2-5][0-9][0-9])([ -]?)(.*)", re.DOTALL)


class GarbledReplyError(smtplib.SMTPException):
    """What the server said is no SMTP; `said` are its first bytes."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        super().__init__("no SMTP reply")


class Dialog(smtplib.SMTP):
    """
    An SMTP session as a client. Making one dials and reads the banner.

    `dial` gives the connection. Everything may raise `OSError`, which smtplib's errors are too, and
    `ValueError` for a command that cannot be said.
    """

    def __init__(
        self, dial: Callable[[], socket.socket], server: Endpoint, *, name: str, line: Line
    ) -> None:
        self._dial = dial
        self._line = line
        super().__init__(server.host, server.port, local_hostname=name)

    def _get_socket(self, _host: str, _port: int, _timeout: float) -> socket.socket:
        """Give the connection; smtplib calls it and would make its own."""
        connection = self._dial()
        self._line.step = "greeting"
        return connection

    def putcmd(self, cmd: str, args: str = "") -> None:
        """Send a command."""
        self._line.says(cmd)
        super().putcmd(cmd, args)

    def send(self, s: object) -> None:
        """Send as smtplib does, but with the connection's own error when it fails."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        data = s.encode(self.command_encoding) if isinstance(s, str) else s
        self.sock.sendall(data)  # type: ignore[arg-type]  # a buffer: smtplib gives nothing else

    def getreply(self) -> tuple[int, bytes]:
        """
        Read a reply, all its lines, within limits; if there is none, close.

        Raises `GarbledReplyError` and `SMTPServerDisconnected`.
        """
        try:
            return self._read_reply()
        except BaseException:
            self.close()
            raise

    def _read_reply(self) -> tuple[int, bytes]:
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        if self.file is None:
            self.file = self.sock.makefile("rb")
        texts: list[bytes] = []
        while True:
            line = self.file.readline(LINE_LIMIT)
            if not line:
                raise smtplib.SMTPServerDisconnected("closed")
            match = _REPLY.fullmatch(line.rstrip(b"\r\n"))
            if match is None or not line.endswith(b"\n") or len(texts) == LINES_LIMIT:
                raise GarbledReplyError(line)
            texts.append(match[3].strip())
            if match[2] != b"-":
                return int(match[1]), b"\n".join(texts)

    def say(self, verb: str, argument: str) -> tuple[int, bytes]:
        """
        Say a command exactly as given and give the reply.

        Not smtplib's `mail` and `rcpt`: these parse the address anew, and change some.
        """
        return self.docmd(verb, argument)

    def body(self, raw: bytes) -> tuple[int, bytes]:
        """
        Send a message after 354, and give the reply to its end.

        Its bytes go as they are; a dot after CRLF is doubled (RFC 5321, 4.5.2). smtplib's `data`
        doubles one after a bare LF too, and the server would keep both.
        """
        self._line.step = "message"
        for piece in stuffed(raw):
            self.send(piece)
        self._line.step = "end of the message"
        self.send(b".\r\n" if not raw or raw.endswith(b"\r\n") else b"\r\n.\r\n")
        return self.getreply()


def stuffed(raw: bytes, size: int = _PIECE) -> Iterator[bytes]:
    """Give a message in pieces of about `size` bytes, dots at the start of a line doubled."""
    for window in _windows(raw, size):
        yield window.replace(b"\r\n.", b"\r\n..")[2:]


def has_ambiguous_dot(raw: bytes, size: int = _PIECE) -> bool:
    """
    Say whether a dot stands behind a bare CR or LF.

    It isn't doubled, because no line begins there; a server that takes a bare CR or LF for a line's
    end would see an end of the message, and the rest as commands (CVE-2023-51764).
    """
    return any(
        window.count(b"\n.", 1) != window.count(b"\r\n.") or window.find(b"\r.", 1) > 0
        for window in _windows(raw, size)
    )


def _windows(raw: bytes, size: int) -> Iterator[bytes]:
    """Give a message in pieces, each with the two bytes before it; before the first is CRLF."""
    for start in range(0, len(raw), size):
        before = raw[start - 2 : start] if start else b"\r\n"
        yield before + raw[start : start + size]
