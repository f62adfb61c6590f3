"""Where a run takes place: addresses and ports as a scenario's variables, commands per machine."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from socket import SOCK_DGRAM, SOCK_STREAM
from typing import Final

from bindpost.config.lab_hosts import Hosts, Machine
from bindpost.config.scenario import Role, Scenario
from bindpost.proxy.local import free_port

from .process import LabError

HOSTNAME: Final = "exchange.lab.example"
"""The service's name in its banner: by it a banner is told from another server's."""
_OVERLAY: Final = (
    'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 1; shift 2; done; shift; exec "$@"'
)


@dataclass(frozen=True, slots=True)
class Place:
    """The machines of one scenario's run, with its two ports."""

    hosts: Hosts
    port: int
    control: int

    def machine(self, role: Role) -> Machine:
        """Give a machine by its role."""
        machines: dict[Role, Machine] = {
            "exchange": self.hosts.exchange,
            "proxy": self.hosts.proxy,
            "internet": self.hosts.internet,
        }
        return machines[role]

    def values(self, *, folder: Path, phase: Path, run: Path) -> Mapping[str, str]:
        """Give the variables of a scenario's texts."""
        hosts = self.hosts
        return {
            "exchange": hosts.exchange.address,
            "proxy": hosts.proxy.address,
            "external": hosts.proxy.external,
            "internet": hosts.internet.address,
            "any": "0.0.0.0" if hosts.isolated else hosts.exchange.address,  # noqa: S104 - on purpose
            "port": str(self.port),
            "control": str(self.control),
            "hostname": HOSTNAME,
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "folder": str(folder),
            "phase": str(phase),
            "run": str(run),
        }

    def target(self, role: Role) -> tuple[str, str, int]:
        """Give from where and to where somebody on a machine dials the listener."""
        inside = self.hosts.exchange.address
        there = self.hosts.proxy.external if role == "internet" else inside
        return self.machine(role).address, there, self.port


@dataclass(slots=True)
class Ports:
    """Gives each scenario its ports: its own on isolated machines, else any free ones."""

    hosts: Hosts
    _given: set[int] = field(default_factory=set)

    def place(self, scenario: Scenario) -> Place:
        """Give a scenario its place; raises `LabError`."""
        if self.hosts.isolated:
            return Place(self.hosts, scenario.port, scenario.control)
        return Place(self.hosts, self._free(), self._free())

    def _free(self) -> int:
        hosts = self.hosts
        addresses = {hosts.exchange.address, hosts.proxy.address, hosts.proxy.external}
        while True:
            try:
                port = free_port(*addresses, kinds=(SOCK_STREAM, SOCK_DGRAM))
            except OSError as error:
                raise LabError(f"the lab gets no port: {error.strerror}") from None
            if port not in self._given:
                self._given.add(port)
                return port


def check_addresses(hosts: Hosts) -> None:
    """Raise `LabError` if this machine lacks one of the lab's addresses."""
    if hosts.isolated:
        return
    for address in (
        hosts.exchange.address,
        hosts.proxy.address,
        hosts.proxy.external,
        hosts.internet.address,
    ):
        with socket.socket() as sock:
            try:
                sock.bind((address, 0))
            except OSError as error:
                raise LabError(
                    f"the lab needs the address {address} on this machine: {error.strerror}; "
                    f"Linux has it, on macOS `sudo ifconfig lo0 alias {address}` makes it"
                ) from None


def overlay(files: Mapping[str, Path]) -> Sequence[str]:
    """
    Give the prefix of a command that sees these files in place of the machine's: path to file.

    A mount namespace of its own does it, so nobody else sees them.
    """
    if not files:
        return ()
    pairs = [word for path, file in files.items() for word in (str(file), path)]
    return (*_unshare(), "sh", "-c", _OVERLAY, "lab", *pairs, "--")


@cache
def cannot_overlay() -> str:
    """Say why no file can be laid over the machine's; empty if it can."""
    if shutil.which("unshare") is None:
        return "unshare (package util-linux) is not installed"
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        probe = [*_unshare(), "sh", "-c", "mount --bind /etc/hosts /etc/hosts"]
        if subprocess.run(probe, capture_output=True, timeout=10, check=False).returncode == 0:  # noqa: S603 - our own
            return ""
    return "neither root nor a user namespace (unshare) may lay a file over the machine's"


def _unshare() -> tuple[str, ...]:
    own = ("unshare", "--mount")
    return own if os.geteuid() == 0 else (*own, "--map-root-user")
