"""What is done to sockets here: handed on, or made to end with a reset."""

from __future__ import annotations

import socket
import struct
import sys
from typing import Final

_NO_TIME: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""SO_LINGER on, 0 seconds."""


def move(sock: socket.socket) -> socket.socket:
    """Give another object for a socket; closing the one that it had then closes nothing."""
    moved = socket.socket(sock.family, sock.type, sock.proto, fileno=sock.detach())
    moved.setblocking(False)
    return moved


def reset_on_close(sock: socket.socket) -> None:
    """Have a socket send RST, not FIN, when it is closed; nobody has a TIME_WAIT then."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_TIME)
