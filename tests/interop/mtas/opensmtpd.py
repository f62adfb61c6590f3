"""Debian's OpenSMTPD, run as a test's own."""

from __future__ import annotations

import pwd
import re
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

from bindpost.proxy.local import free_port
from bindpost.testing.programs import running

from .mta import HOSTNAME, SENDER, Find, Mta, open_folder, own_machine, run

CONFIG: Final = """
mta limit conn-delay-route 0 conn-delay-relay 0 reconn-delay-route 0
listen on 127.0.0.1 port {port} hostname {hostname}
action "relay" relay host {scheme}://{host}:{relay_port} helo {hostname}
match from any for any action "relay"
"""
"""Without those delays a connection that failed is neither tried again nor given up for seconds."""


class OpenSmtpd(Mta):
    """An OpenSMTPD that runs."""

    ATTEMPT = re.compile(r'mta delivery .* to=<(?P<to>[^>]*)> .* result="(?P<outcome>\w+)"')
    OUTCOMES: ClassVar = {"Ok": "delivered", "TempFail": "deferred", "PermFail": "bounced"}

    def __init__(self, port: int, smtpctl: tuple[object, ...], log: Path) -> None:
        super().__init__(log)
        self._port = port
        self._smtpctl = smtpctl

    def submit(self, raw: bytes, *to: str) -> None:
        """Hand a message over, by SMTP."""
        with smtplib.SMTP("127.0.0.1", self._port, local_hostname="client.test") as client:
            client.sendmail(SENDER, to, raw.replace(b"\n", b"\r\n"))

    def retry(self) -> None:
        """Have it forget that a host has failed, and try what waits."""
        for route in run(*self._smtpctl, "show", "routes").splitlines():
            run(*self._smtpctl, "resume", "route", route.partition(".")[0])
        run(*self._smtpctl, "schedule", "all")

    def queue(self) -> list[bool]:
        """Ask `smtpctl`."""
        listed = run(*self._smtpctl, "show", "queue").splitlines()
        return ["|pending|" in one for one in listed]


@contextmanager
def opensmtpd(find: Find, host: str, port: int, *, tls: bool = False) -> Iterator[OpenSmtpd]:
    """Run one that relays there; by TLS where that is offered, if it shall. Only root can."""
    control = find("smtpctl")
    program = control.with_name("smtpd")  # Postfix has another
    with open_folder() as folder:
        for name in ("spool", "run", "lib/opensmtpd/empty"):
            (folder / name).mkdir(parents=True)
        own = free_port()
        config = folder / "smtpd.conf"
        config.write_text(
            CONFIG.format(
                port=own,
                hostname=HOSTNAME,
                host=host,
                relay_port=port,
                scheme="smtp" if tls else "smtp+notls",
            ),
            "ascii",
        )
        machine = own_machine(
            find,
            folder,
            {"opensmtpd": "mail", "opensmtpq": "news"},
            {"spool": "/var/spool", "run": "/run", "lib": "/var/lib"},
        )
        gid = pwd.getpwnam("news").pw_gid
        smtpctl = (*machine, find("setpriv"), f"--regid={gid}", "--clear-groups", control)
        log = folder / "log"
        with running(own, *machine, program, "-d", "-f", config, log=log):
            yield OpenSmtpd(own, smtpctl, log)
