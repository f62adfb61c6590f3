"""
The client of scripts/bench: sessions of one message each, one after the other.

`bench_client.py HOST PORT COUNT [HEADER]` prints the sessions a second, and how many connections
were turned away meanwhile. HEADER is a PROXY protocol header, in hexadecimal.
"""

from __future__ import annotations

import socket
import sys
import time

SESSION = [b"HELO c", b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>", b"DATA", b"x\r\n.", b"QUIT"]
PAUSE = 0.0005
"""Seconds before a client that was turned away comes again."""
PATIENCE = 30.0
"""Seconds for a session with all its tries."""


class TurnedAway(ConnectionError):
    """A connection that ended before its session did."""


def session(address: tuple[str, int], header: bytes) -> None:
    """Bring one message; every reply must be a good one."""
    with socket.create_connection(address, timeout=PATIENCE) as peer:
        replies = peer.makefile("rb")
        if header:
            peer.sendall(header)
        _expect(replies.readline())
        for command in SESSION:
            peer.sendall(command + b"\r\n")
            _expect(replies.readline())


def _expect(reply: bytes) -> None:
    if not reply:
        raise TurnedAway
    if reply[:1] not in (b"2", b"3"):
        sys.exit(f"the server says {reply!r}")


def insist(address: tuple[str, int], header: bytes) -> int:
    """Bring one message, again until it is taken; gives how often that failed."""
    until = time.monotonic() + PATIENCE
    turned_away = 0
    while True:
        try:
            session(address, header)
        except ConnectionError:  # a SOCKS listener's, until it is bound again
            turned_away += 1
            if time.monotonic() > until:
                sys.exit(f"no session with {address} in {PATIENCE:g} s")
            time.sleep(PAUSE)
        else:
            return turned_away


def main(host: str, port: str, count: str, header: str = "") -> None:
    """Bring messages, the first of them before the time runs."""
    address, sessions, first = (host, int(port)), int(count), bytes.fromhex(header)
    insist(address, first)
    start = time.perf_counter()
    turned_away = sum(insist(address, first) for _ in range(sessions))
    rate = sessions / (time.perf_counter() - start)
    sys.stdout.write(f"{rate} {turned_away}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
