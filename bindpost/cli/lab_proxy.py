"""`bindpost lab proxy`: runs a stand-in for a proxy, well-behaved or not, until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Literal, TypeVar

import click

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.socks.standin import Fault, PortPolicy, SocksServer
from bindpost.proxy.winsock.observer import Observer
from bindpost.proxy.winsock.pcap import Recorder
from bindpost.proxy.winsock.ranges import PortSet
from bindpost.proxy.winsock.standin import Misbehaviour, Tap, WinsockProxyServer
from bindpost.proxy.winsock.standin_together import Together
from bindpost.proxy.winsock.wire import Address

from . import lab_types
from .lab_run import READY_FILE, Run, start_logging, watch_into

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
        READY_FILE,
    ):
        command = option(command)
    return command


@proxy.command()
@click.option(
    "--listen",
    type=lab_types.own_ipv4_endpoint,
    metavar="HOST:PORT",
    default="127.0.0.1:1745",
    show_default=True,
    help="The control port, UDP; port 0 is any.",
)
@click.option(
    "--external",
    type=lab_types.own_ipv4_address,
    metavar="ADDRESS",
    default="127.0.0.2",
    show_default=True,
    help="The address on which ports are bound for clients.",
)
@click.option(
    "--allow-port",
    "allowed",
    type=lab_types.ports,
    metavar="LIST",
    help="Let only these ports be bound, as in 25,1024-5000; all without it.",
)
@click.option(
    "--account",
    "accounts",
    type=lab_types.account,
    multiple=True,
    metavar="USER:PASSWORD",
    help="Want this login from clients; may be repeated.",
)
@click.option(
    "--misbehave",
    "faults",
    type=lab_types.misbehaviours,
    multiple=True,
    metavar="NAME[,NAME]",
    help="What is wrong on purpose, see docs/lab-proxies.md.",
)
@click.option(
    "--record",
    type=click.File("wb", lazy=False),
    metavar="FILE",
    help="Record the control channel as a capture file for Wireshark; - is standard output.",
)
@_shared
def winsock(
    *,
    listen: Endpoint,
    external: str,
    allowed: PortSet | None,
    accounts: Sequence[tuple[str, str]],
    faults: Sequence[Sequence[Misbehaviour]],
    record: BinaryIO | None,
    form: str,
    ready_file: Path | None,
) -> None:
    """Run the server of a Winsock Proxy, Proxy Server 2.0's."""
    log = start_logging(form, "bindpost.lab.winsock")
    misbehaving = [fault for some in faults for fault in some]
    names = [fault.name for fault in misbehaving]
    run = Run(
        kind="winsock",
        listen=listen,
        external=external,
        misbehaving=names,
        ready_file=ready_file,
        log=log,
        occupied="another program has this UDP port (`ss -lunp`, as root, names it): stop it, or "
        "choose another port",
    )

    def failed(error: OSError) -> None:
        log.warning("the recording ends here: it cannot be written", error=error.strerror)

    taps: list[Tap] = [Observer(watch_into(log)).tap]
    if record is not None:
        taps.insert(0, Recorder(record, failed=failed).record)

    async def serve() -> None:
        server = WinsockProxyServer(
            listen.host,
            external,
            listen.port,
            ports=None if allowed is None else allowed.all(),
            accounts=dict(accounts),
            misbehaviour=Together(misbehaving),
            tap=_all_of(taps),
        )
        await run.until_stopped(server, lambda: Endpoint(*server.address), server.gone)

    asyncio.run(serve())


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
    type=lab_types.own_address,
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
    help="What it does with a port that is taken, see docs/lab-proxies.md.",
)
@click.option(
    "--misbehave",
    "faults",
    type=lab_types.names({fault.value: fault for fault in Fault}),
    metavar="NAME[,NAME]",
    multiple=True,
    help="What is wrong on purpose, see docs/lab-proxies.md.",
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
    log = start_logging(form, "bindpost.lab.socks5")
    misbehaving = [fault for some in faults for fault in some]
    server = SocksServer(
        listen.host,
        listen.port,
        external=external,
        users=dict(users),
        policy=PortPolicy(port_policy),
        faults=misbehaving,
        drip=DRIP,
        watch=watch_into(log),
    )
    run = Run(
        kind="socks5",
        listen=listen,
        external=external,
        misbehaving=misbehaving,
        ready_file=ready_file,
        log=log,
    )
    asyncio.run(run.until_stopped(server, lambda: server.address))


def _all_of(taps: Sequence[Tap]) -> Tap:
    def tap(
        way: Literal["in", "out"], source: Address, destination: Address, datagram: bytes
    ) -> None:
        for one in taps:
            one(way, source, destination, datagram)

    return tap
