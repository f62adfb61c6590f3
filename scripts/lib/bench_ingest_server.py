"""
One of the servers that scripts/bench ingest loads, in a process of its own, until it is ended.

`bench_ingest_server.py aiosmtpd` is aiosmtpd with a handler that keeps nothing;
`bench_ingest_server.py bindpost ENGINE STORE` is bindpost's SMTP, STORE being `null` or `memory`.
Each prints the port that it listens on.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aiosmtpd.smtp import SMTP

from bindpost.config.model import Listener, Settings
from bindpost.server.message.model import Message, Transcript
from bindpost.server.smtp.service import Resources, session_factory
from bindpost.server.smtp.sessions import Sessions
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import Retention

HOSTNAME: Final = "bench.test"
KEPT: Final = 100
"""Messages that the store in memory keeps, so that a long run does not fill the machine."""
BACKLOG: Final = 1024


class NullHandler:
    """aiosmtpd's handler that keeps nothing."""

    async def handle_DATA(self, _server: object, _session: object, _envelope: object) -> str:
        """Acknowledge."""
        return "250 OK"


class NullStore:
    """A store that keeps nothing: what is left is the cost of SMTP itself."""

    async def add(self, _message: Message, _transcript: Transcript) -> None:
        """Forget a message."""

    async def end_session(self, _session_id: str, _transcript: Transcript) -> None:
        """Forget a session."""


def aiosmtpd() -> Callable[[], asyncio.BaseProtocol]:
    """Give the factory of plain aiosmtpd's sessions."""
    handler = NullHandler()
    loop = asyncio.get_running_loop()
    return lambda: SMTP(handler, hostname=HOSTNAME, loop=loop)


def bindpost(settings: Settings, store: Any) -> Callable[[], asyncio.BaseProtocol]:
    """Give the factory of bindpost's sessions."""
    return session_factory(
        Resources.load(settings, hostname=HOSTNAME, folder=Path()),
        Listener(endpoint="127.0.0.1:0"),
        via="direct:",
        store=store,
        sessions=Sessions(settings.limits.sessions),
    )


async def serve(options: argparse.Namespace) -> None:
    """Listen, tell where, and go on."""
    if options.server == "aiosmtpd":
        factory = aiosmtpd()
    else:
        store = NullStore() if options.store == "null" else MemoryStore(Retention(KEPT))
        factory = bindpost(Settings(hostname=HOSTNAME), store)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(factory, "127.0.0.1", 0, backlog=BACKLOG)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Give what makes event loops of a kind."""
    if name == "asyncio":
        return asyncio.SelectorEventLoop
    import uvloop

    return uvloop.new_event_loop


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    servers = parser.add_subparsers(dest="server", required=True)
    servers.add_parser("aiosmtpd")
    ours = servers.add_parser("bindpost")
    ours.add_argument("engine", choices=("fast", "stock"))
    ours.add_argument("store", choices=("null", "memory"))
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=loop_factory(options.loop)) as runner:
        runner.run(serve(options))


if __name__ == "__main__":
    main()
