"""What systemd tells in the environment about the sockets that it hands over (sd_listen_fds)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
"""For whom the sockets are, how many they are, and their names."""


def activation() -> Mapping[str, str]:
    """Give those of the variables that are set."""
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}
