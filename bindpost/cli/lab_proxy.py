"""`bindpost lab proxy`: runs a stand-in for a proxy, well-behaved or not, until it is stopped."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Final, TypeVar

import click

from bindpost import events
from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.events import EventType
from bindpost.log import EventLogger, get_logger
from bindpost.proxy import advice, wsa
from bindpost.proxy.socks.standin import Fault, PortPolicy, SocksServer
from bindpost.proxy.watch import Watch
from bindpost.ready import write_ready_file

from . import lab_types

Command = TypeVar("Command", bound=Callable[..., object])
DRIP: Final = 2.0
"""Seconds between two bytes of the misbehaviour `slow`: a greeting takes 4, a reply 20."""


@click.group()
def proxy() -> None:
    """Run a stand-in for a proxy until SIGTERM or Ctrl-C."""


def _shared(command: Command) -> Command:
    """Give a command the options of all stand-ins."""
    for option in (
        click.option(
            "--log",
            "form",
            type=click.Choice(("console", "json")),
            default="console",
            show_default=True,
            help="Form of the log on standard error.",
        ),
        click.option(
            "--ready-file",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Write pid and addresses there, as JSON, when everything is bound.",
        ),
    ):
        command = option(command)
    return command


@proxy.command()
@click.option(
    "--listen",
    type=lab_types.ipv4_endpoint,
    metavar="HOST:PORT",
    default="127.0.0.1:1080",
    show_default=True,
    help="Where clients connect; port 0 is any.",
)
@click.option(
    "--external",
    type=lab_types.address,
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="The address on which ports are bound, and from which it connects.",
)
@click.option(
    "--user",
    "users",
    type=lab_types.account,
    metavar="USER:PASSWORD",
    multiple=True,
    help="Want this login from clients; may be repeated.",
)
@click.option(
    "--port-policy",
    type=click.Choice([policy.value for policy in PortPolicy]),
    default=PortPolicy.PLAIN.value,
    show_default=True,
    help="What it does with a port that is taken, see docs/lab.md.",
)
@click.option(
    "--misbehave",
    "faults",
    type=lab_types.names({fault.value: fault for fault in Fault}),
    metavar="NAME[,NAME]",
    multiple=True,
    help="What is wrong on purpose, see docs/lab.md.",
)
@_shared
def socks5(
    *,
    listen: Endpoint,
    external: str,
    users: Sequence[tuple[str, str]],
    port_policy: str,
    faults: Sequence[Sequence[Fault]],
    form: str,
    ready_file: Path | None,
) -> None:
    """Run a SOCKS server: versions 4, 4a and 5 with BIND and CONNECT."""
    log = _start_logging(form, "bindpost.lab.socks5")
    misbehaving = [fault for some in faults for fault in some]
    server = SocksServer(
        listen.host,
        listen.port,
        external=external,
        users=dict(users),
        policy=PortPolicy(port_policy),
        faults=misbehaving,
        drip=DRIP,
        watch=_watch(log),
    )
    run = Run("socks5", listen, external, misbehaving, ready_file, log)
    asyncio.run(run.until_stopped(server, lambda: server.address))


@dataclass(frozen=True)
class Run:
    """One stand-in's life: bound, told to be ready, stopped by a signal."""

    kind: str
    listen: Endpoint
    external: str
    misbehaving: Sequence[str]
    ready_file: Path | None
    log: EventLogger

    async def until_stopped(
        self, server: AbstractAsyncContextManager[object], address: Callable[[], object]
    ) -> None:
        """
        Run it; `address` gives where it is bound.

        Raises `BindError` when it cannot be bound, `click.UsageError` for a ready file that cannot
        be written.
        """
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (SIGTERM, SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with AsyncExitStack() as stack:
            self._try_external()
            try:
                await stack.enter_async_context(server)
            except OSError as error:
                raise _cannot_bind(self.listen, error) from None
            self._tell_ready(str(address()))
            await stop.wait()

    def _try_external(self) -> None:
        """Bind on the outside once: what cannot be bound there at all is told at the start."""
        family = socket.AF_INET6 if ":" in self.external else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((self.external, 0))
            except OSError as error:
                raise _cannot_bind(Endpoint(self.external, 0), error) from None

    def _tell_ready(self, internal: str) -> None:
        if self.ready_file is not None:
            try:
                write_ready_file(self.ready_file, internal=internal, external=self.external)
            except OSError as error:
                raise click.UsageError(
                    f"--ready-file: {self.ready_file} cannot be written: {error.strerror}"
                ) from None
        wrong = {"misbehaving": list(self.misbehaving)} if self.misbehaving else {}
        self.log.info(
            events.STANDIN_READY,
            kind=self.kind,
            internal=internal,
            external=self.external,
            **wrong,
        )


def _start_logging(form: str, name: str) -> EventLogger:
    """Send the log to standard error, and give the stand-in's logger."""
    from bindpost.server.eventlog import configure

    configure(
        form="json" if form == "json" else "console",
        level="info",
        stream=sys.stderr,
        host=socket.gethostname(),
    )
    return get_logger(name)


def _watch(log: EventLogger) -> Watch:
    def tell(event: EventType, /, **fields: object) -> None:
        log.info(event, **fields)  # at the event's own level

    return tell


def _cannot_bind(endpoint: Endpoint, error: OSError) -> BindError:
    code = wsa.code_of(error)
    return BindError(
        code,
        endpoint=str(endpoint),
        path="direct:",
        hop="bind",
        detail=os.strerror(error.errno) if error.errno else str(error),
        hint=advice.hint(code, endpoint),
    )
