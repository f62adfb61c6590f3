"""Descriptors: how many files and connections the system lets this process have at once."""

from __future__ import annotations

import contextlib
import sys
from typing import Final

RESERVED: Final = 1_280
"""Descriptors that no session takes: the web side's connections, the store, the bind paths."""


def raise_limit() -> None:
    """Take as many descriptors as the system allows; a shell often allows 1024 at first."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(OSError, ValueError):  # macOS has no number for "unlimited"
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def room_for_sessions() -> int:
    """
    Give how many sessions there are descriptors for.

    Who comes above that is told so: without a descriptor left nobody could even be refused, and the
    store could not open its files.
    """
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if limit == resource.RLIM_INFINITY else max(limit - RESERVED, limit // 2)
