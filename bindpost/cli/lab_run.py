"""The life of a stand-in that somebody runs: bound, told to be ready, ended by a signal."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Final

import click

from bindpost import events
from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.events import EventType
from bindpost.log import EventLogger, get_logger
from bindpost.proxy import advice, wsa
from bindpost.proxy.watch import Watch
from bindpost.ready import write_ready_file

READY_FILE: Final = click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write pid and addresses there, as JSON, when everything is bound.",
)
"""The option for `Run.ready_file`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """
    One run of a stand-in; `kind` is what the command calls it.

    `occupied` is the hint when `listen` is taken, if that is no TCP port.
    """

    kind: str
    listen: Endpoint
    external: str
    misbehaving: Sequence[str]
    ready_file: Path | None
    log: EventLogger
    occupied: str = ""

    async def until_stopped(
        self,
        server: AbstractAsyncContextManager[object],
        address: Callable[[], Endpoint],
        gone: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """
        Run it until SIGTERM, SIGINT, or `gone`, if it can end by itself; `address` is where it is.

        Raises `BindError` when it cannot be bound, `click.UsageError` for a ready file that cannot
        be written.
        """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (SIGTERM, SIGINT):
            loop.add_signal_handler(number, stop.set)
        self._try_external()
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(server)
            except OSError as error:
                raise self._cannot_bind(self.listen, error, self.occupied) from None
            self._tell_ready(str(address()))
            ends: list[Callable[[], Awaitable[object]]] = [stop.wait]
            if gone is not None:
                ends.append(gone)
            waits = [asyncio.ensure_future(end()) for end in ends]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            if not stop.is_set():
                self.log.info("the stand-in proxy has died, as it was told to")

    def _try_external(self) -> None:
        """Bind on the outside once: what cannot be bound there at all is told at the start."""
        family = socket.AF_INET6 if ":" in self.external else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((self.external, 0))
            except OSError as error:
                raise self._cannot_bind(Endpoint(self.external, 0), error) from None

    def _tell_ready(self, internal: str) -> None:
        if self.ready_file is not None:
            try:
                write_ready_file(self.ready_file, internal=internal, external=self.external)
            except OSError as error:
                raise click.BadParameter(
                    f"{self.ready_file} cannot be written: {error.strerror}",
                    param_hint="--ready-file",
                ) from None
        wrong = {"misbehaving": list(self.misbehaving)} if self.misbehaving else {}
        self.log.info(
            events.STANDIN_READY,
            kind=self.kind,
            internal=internal,
            external=self.external,
            **wrong,
        )

    def _cannot_bind(self, endpoint: Endpoint, error: OSError, occupied: str = "") -> BindError:
        code = wsa.code_of(error)
        in_use = occupied if error.errno == errno.EADDRINUSE else ""
        return BindError(
            code,
            endpoint=str(endpoint),
            path="direct:",
            hop="bind",
            detail=os.strerror(error.errno) if error.errno else str(error),
            hint=in_use or advice.hint(code, endpoint),
        )


def start_logging(form: str, name: str) -> EventLogger:
    """Send the log to standard error, and give the stand-in's logger."""
    from bindpost.server.eventlog import configure

    configure(
        form="json" if form == "json" else "console",
        level="info",
        stream=sys.stderr,
        host=socket.gethostname(),
    )
    return get_logger(name)


def watch_into(log: EventLogger) -> Watch:
    """Give a watch that logs what it is told, each event at its own level."""

    def tell(event: EventType, /, **fields: object) -> None:
        log.info(event, **fields)

    return tell
