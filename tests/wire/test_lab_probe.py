"""The lab's peer: what it calls what it meets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bindpost.server.lab import probe

HERE = "127.0.0.1"
ACCEPTS = [b"250 OK\r\n"] * 3 + [b"354 go\r\n", b"250 OK\r\n", b"221 bye\r\n"]


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[tuple[str, int]]:
    """Take one connection and serve it; gives the address."""
    with socket.create_server((HERE, 0)) as listener:

        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()
        thread.join(10)


def speak(*replies: bytes) -> Callable[[socket.socket], None]:
    """Give a banner, then a reply to each line but those of a message."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"220 here\r\n")
        stream = connection.makefile("rb")
        for reply in replies:
            line = stream.readline()
            while reply == b"250 OK\r\n" and line.startswith(
                (b"From", b"To", b"Sub", b"\r", b"Th")
            ):
                line = stream.readline()
            connection.sendall(reply)

    return serve


def visit(there: tuple[str, int], *, mail: bool = False) -> str:
    """Be a peer."""
    return probe.Peer().visit(HERE, there, mail=mail)


def test_a_banner() -> None:
    """Who greets gives a banner, and it is kept."""
    peer = probe.Peer()
    with server(speak(b"221 bye\r\n")) as there:
        assert peer.visit(HERE, there, mail=False) == "banner"

    assert peer.banner == "220 here"
    assert peer.transcript[-1] == "S: 221 bye"


def test_a_mail() -> None:
    """A mail counts when the end of its data was answered with 250."""
    with server(speak(*ACCEPTS)) as there:
        assert visit(there, mail=True) == "mail"


def test_a_mail_that_is_refused() -> None:
    """A refused recipient is no mail; the banner remains."""
    with server(speak(b"250 OK\r\n", b"250 OK\r\n", b"550 no\r\n", b"221 bye\r\n")) as there:
        assert visit(there, mail=True) == "banner"


def test_closed_without_a_banner() -> None:
    """Who takes a connection and closes it gave none."""
    with server(lambda _: None) as there:
        assert visit(there) == "closed"


def test_silence() -> None:
    """Who takes a connection and says nothing is silent."""

    def wait_for_the_end(connection: socket.socket) -> None:
        connection.recv(1)

    with server(wait_for_the_end) as there:
        assert probe.Peer(patience=0.1).visit(HERE, there, mail=False) == "silent"


def test_nobody_listens() -> None:
    """A closed port refuses."""
    with socket.socket() as closed:
        closed.bind((HERE, 0))
        assert visit(closed.getsockname()) == "refused"


def test_it_dials_from_its_address() -> None:
    """The other side sees the address that the peer is to have."""
    seen: list[str] = []

    def serve(connection: socket.socket) -> None:
        seen.append(connection.getpeername()[0])
        connection.sendall(b"220 here\r\n")

    with server(serve) as there:
        probe.Peer().visit("127.0.0.9", there, mail=False)

    assert seen == ["127.0.0.9"]
