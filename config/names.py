"""What a server and its node are called where the settings leave that open."""

from __future__ import annotations

import socket

from .model import Settings


def hostname_of(settings: Settings) -> str:
    """Give the server's name in replies."""
    return settings.hostname or socket.gethostname()


def node_of(settings: Settings) -> str:
    """Give the node's name, which is the computer name of its events."""
    return settings.node or hostname_of(settings)
