"""`sendmail -bs`: a program speaks SMTP on standard input and output, and the server answers."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import BinaryIO, Final

from .sendmail_options import EX_TEMPFAIL, Options, SendmailError
from .sendmail_server import Server, server_of

_CHUNK: Final = 64 * 1024
_PATIENCE: Final = 60.0


def talk(options: Options, stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Carry bytes between the program and the server until the server ends the session."""
    server = server_of(options.server)
    try:
        connection = _connected(server)
    except OSError as error:
        raise SendmailError(
            f"connecting to {server} failed: {error.strerror or error}; start `bindpost serve`, or "
            "name a server with --server",
            EX_TEMPFAIL,
        ) from None
    with connection:
        # A daemon: standard input may stay open when the session is over.
        threading.Thread(target=_carry_up, args=(stdin, connection), daemon=True).start()
        while chunk := connection.recv(_CHUNK):
            stdout.write(chunk)
            stdout.flush()


def _connected(server: Server) -> socket.socket:
    place = server.endpoint
    if place.is_unix:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(place.path)
        return connection
    connection = socket.create_connection((place.host, place.port), _PATIENCE)
    connection.settimeout(None)
    if server.implicit_tls:
        context = ssl._create_unverified_context()  # noqa: S323 - the listener's own certificate
        return context.wrap_socket(connection)
    return connection


def _carry_up(stdin: BinaryIO, connection: socket.socket) -> None:
    # read1 gives what is there, so that a dialog is one; the end of input ends our half of it.
    read = getattr(stdin, "read1", stdin.read)
    with contextlib.suppress(OSError):
        while chunk := read(_CHUNK):
            connection.sendall(chunk)
        connection.shutdown(socket.SHUT_WR)
