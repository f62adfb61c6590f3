"""
A peer, as a program of its own: dials from an address, reads the banner, may send a mail.

`python -m bindpost.server.lab.probe --from ADDRESS --to HOST:PORT [--mail] [--wait]` prints JSON:
`reached`, the banner, and the transcript. Only the standard library, so that it starts at once.
"""

from __future__ import annotations

import argparse
import io
import json
import socket
import sys
import time
from collections.abc import Sequence
from typing import Final

PATIENCE: Final = 5.0
"""Seconds to wait for a connection, and for each reply."""
_PAUSE: Final = 0.02
_LONGEST: Final = 4096
"""Bytes of a reply line that are read."""
_ENVELOPE: Final = (
    "HELO peer.example.org",
    "MAIL FROM:<lab@example.org>",
    "RCPT TO:<postmaster@example.com>",
    "DATA",
)
_BODY: Final = (
    "From: <lab@example.org>\r\nTo: <postmaster@example.com>\r\n"
    "Subject: From outside\r\n\r\nThis came through.\r\n.\r\n"
)


class Peer:
    """
    One connection and everything that was said on it.

    `patience` is how many seconds it waits for a connection, and for each reply.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self.transcript: list[str] = []
        self.banner = ""

    def visit(self, here: str, there: tuple[str, int], *, mail: bool) -> str:
        """Dial, and give what was reached: mail, banner, closed, silent, refused, unreachable."""
        self._note(f"{here} dials {there[0]}:{there[1]}")
        try:
            sock = socket.create_connection(there, self._patience, (here, 0))
        except ConnectionRefusedError as error:
            self._note(str(error))
            return "refused"
        except OSError as error:
            self._note(str(error))
            return "unreachable"
        self._note("connected")
        with sock, sock.makefile("rb") as stream:
            try:
                return self._talk(sock, stream, mail=mail)
            except TimeoutError:
                self._note("nothing came")
                return "banner" if self.banner else "silent"
            except OSError as error:
                self._note(str(error))
                return "banner" if self.banner else "closed"

    def _talk(self, sock: socket.socket, stream: io.BufferedReader, *, mail: bool) -> str:
        self.banner = self._heard(stream)
        if not self.banner:
            self._note("closed without a banner")
            return "closed"
        sent = mail and self._send(sock, stream)
        self._say(sock, "QUIT\r\n")
        self._heard(stream)
        return "mail" if sent else "banner"

    def _send(self, sock: socket.socket, stream: io.BufferedReader) -> bool:
        """Send a mail; says whether it was accepted."""
        for line in _ENVELOPE:
            self._say(sock, f"{line}\r\n")
            if self._heard(stream)[:1] not in ("2", "3"):
                return False
        self._say(sock, _BODY)
        return self._heard(stream).startswith("250")

    def _say(self, sock: socket.socket, text: str) -> None:
        for line in text.splitlines():
            self._note(f"C: {line}")
        sock.sendall(text.encode())

    def _heard(self, stream: io.BufferedReader) -> str:
        text = stream.readline(_LONGEST).decode("latin-1").rstrip("\r\n")
        if text:
            self._note(f"S: {text}")
        return text

    def _note(self, text: str) -> None:
        self.transcript.append(text)


def wait_for(here: str, there: tuple[str, int], seconds: float) -> bool:
    """Dial until somebody answers; says whether somebody did in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            socket.create_connection(there, PATIENCE, (here, 0)).close()
        except OSError:
            time.sleep(_PAUSE)
        else:
            return True
    return False


def main(arguments: Sequence[str]) -> int:
    """Be a peer once."""
    parser = argparse.ArgumentParser(prog="probe", description="Dial a listener from an address.")
    parser.add_argument("--from", dest="here", required=True, metavar="ADDRESS")
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--mail", action="store_true", help="send a mail, too")
    parser.add_argument("--wait", type=float, default=0.0, metavar="SECONDS", help="only connect")
    given = parser.parse_args(arguments)
    host, _, port = given.to.rpartition(":")
    there = (host, int(port))
    if given.wait:
        return 0 if wait_for(given.here, there, given.wait) else 1
    peer = Peer()
    reached = peer.visit(given.here, there, mail=given.mail)
    print(  # noqa: T201 - the program's result
        json.dumps({"reached": reached, "banner": peer.banner, "transcript": peer.transcript})
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
