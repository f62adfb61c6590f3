"""Debian's exim, run as a test's own: each command does its work while it is waited for."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

from .mta import HOSTNAME, SENDER, Find, Mta, open_folder, own_machine, run

CONFIG: Final = """
primary_hostname = {hostname}
exim_path = {program}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
keep_environment =
{main}
begin routers
relay:
  driver = manualroute
  route_list = * {host}
  self = send
  transport = relay
begin transports
relay:
  driver = smtp
  port = {port}
  allow_localhost
  {transport}
begin retry
* * F,1h,1h
"""


class Exim(Mta):
    """An exim without a daemon."""

    ATTEMPT = re.compile(r"^\S+ \S+ \S+ (?P<outcome>=>|->|==|\*\*) (?P<to>\S+)", re.MULTILINE)
    OUTCOMES: ClassVar = {"=>": "delivered", "->": "delivered", "==": "deferred", "**": "bounced"}

    def __init__(self, command: tuple[object, ...], folder: Path) -> None:
        super().__init__(folder / "log" / "mainlog")
        self._command = command

    def submit(self, raw: bytes, *to: str) -> None:
        """Return when it was attempted to deliver it."""
        run(*self._command, "-odi", "-i", "-f", SENDER, *to, stdin=raw)

    def retry(self) -> None:
        """Run the queue, whatever the retry times are."""
        run(*self._command, "-qff")

    def queue(self) -> list[bool]:
        """Ask for the number of messages: what is there, waits."""
        return [True] * int(run(*self._command, "-bpc"))


@contextmanager
def exim(
    find: Find,
    host: str,
    port: int,
    *,
    tls: bool = False,
    main: Sequence[str] = (),
    transport: Sequence[str] = (),
) -> Iterator[Exim]:
    """
    Set up an exim that relays there; by TLS where that is offered, if it shall.

    `main` and `transport` are more lines of its configuration. Only root can run it.
    """
    program = find("exim4")
    with open_folder() as folder:
        for name in ("spool", "log"):
            (folder / name).mkdir()
            shutil.chown(folder / name, "mail", "mail")
        lines = (*transport, *([] if tls else ["hosts_avoid_tls = *"]))
        config = folder / "exim.conf"
        config.write_text(
            CONFIG.format(
                folder=folder,
                program=program,
                hostname=HOSTNAME,
                host=host,
                port=port,
                main="\n".join(main),
                transport="\n  ".join(lines),
            ),
            "ascii",
        )
        machine = own_machine(find, folder, {"Debian-exim": "mail"}, {})
        yield Exim((*machine, program, "-C", config), folder)
