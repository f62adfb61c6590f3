"""
A server of scripts/bench that keeps nothing, in a process of its own, until it is ended.

`bench_bare_server.py PORT aiosmtpd` is aiosmtpd with its own `Sink`.
`bench_bare_server.py PORT bindpost [SETTING=VALUE...]` is bindpost's SMTP without a store: what is
left is the cost of SMTP itself. It runs on the event loop that `bindpost serve` runs on.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

HOSTNAME: Final = "bench.test"
BACKLOG: Final = 1024

Factory = Callable[[], asyncio.BaseProtocol]


def aiosmtpd() -> Factory:
    """Give the factory of plain aiosmtpd's sessions."""
    from aiosmtpd.handlers import Sink
    from aiosmtpd.smtp import SMTP

    handler = Sink()
    loop = asyncio.get_running_loop()
    return lambda: SMTP(handler, hostname=HOSTNAME, loop=loop)


class NullStore:
    """A store that keeps nothing."""

    async def add(self, _message: object, _transcript: object) -> None:
        """Forget a message."""

    async def end_session(self, _session_id: str, _transcript: object) -> None:
        """Forget a session."""


def bindpost(values: dict[str, Any]) -> Factory:
    """Give the factory of bindpost's sessions, with these settings."""
    from bindpost.config.model import Listener, Settings
    from bindpost.server.smtp.service import Resources, session_factory
    from bindpost.server.smtp.sessions import Sessions

    settings = Settings(hostname=HOSTNAME, **values)
    store: Any = NullStore()
    return session_factory(
        Resources.load(settings, hostname=HOSTNAME, folder=Path()),
        Listener(endpoint="127.0.0.1:0"),
        via="direct:",
        store=store,
        sessions=Sessions(settings.limits.sessions),
    )


async def serve(port: str, kind: str, *values: str) -> None:
    """Listen until the end."""
    if kind == "aiosmtpd":
        factory = aiosmtpd()
    else:
        factory = bindpost(dict(value.split("=", 1) for value in values))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(factory, "127.0.0.1", int(port), backlog=BACKLOG)
    await server.serve_forever()


def loop_factory(kind: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Give what makes the event loop: aiosmtpd has asyncio's, bindpost uvloop's where it is."""
    if kind == "aiosmtpd":
        return None
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def main(port: str, kind: str, *values: str) -> None:
    """Serve on a port."""
    with asyncio.Runner(loop_factory=loop_factory(kind)) as runner:
        runner.run(serve(port, kind, *values))


if __name__ == "__main__":
    main(*sys.argv[1:])
