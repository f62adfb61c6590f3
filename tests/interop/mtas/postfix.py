"""Debian's Postfix, run as a test's own: by SMTP to a relay host, or by LMTP."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import ClassVar, Final

from .mta import HOSTNAME, SENDER, Find, Mta, open_folder, run

MAIN: Final = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
myhostname = {hostname}
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
queue_run_delay = 1h
minimal_backoff_time = 1h
maximal_backoff_time = 1h
default_destination_concurrency_failed_cohort_limit = 0
smtp_connection_cache_on_demand = no
lmtp_connection_cache_on_demand = no
"""
MASTER: Final = """
pickup    unix  n - n 1 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 1 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
flush     unix  n - n 1000? 0 flush
showq     unix  n - n - - showq
tlsmgr    unix  - - n 1000? 1 tlsmgr
smtp      unix  - - n - - smtp
lmtp      unix  - - n - - lmtp
error     unix  - - n - - error
retry     unix  - - n - - error
postlog   unix-dgram n - n - 1 postlogd
"""


QUEUES: Final = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming")
PLACES: Final = (*QUEUES, "private", "saved", "trace", "maildrop", "public", "pid")
"""Folders below `queue_directory`."""


class Postfix(Mta):
    """A Postfix that runs."""

    ATTEMPT = re.compile(r" to=<(?P<to>[^>]*)>,.* status=(?P<outcome>\w+)")
    OUTCOMES: ClassVar = {"sent": "delivered", "deferred": "deferred", "bounced": "bounced"}

    def __init__(self, find: Find, folder: Path) -> None:
        super().__init__(folder / "maillog")
        config = ("-c", folder / "etc")
        self._postqueue = (find("postqueue"), *config)
        self._sendmail = (find("sendmail"), "-C", folder / "etc")

    def submit(self, raw: bytes, *to: str, options: tuple[str, ...] = ()) -> None:
        """Hand a message over; `options` are more of its sendmail."""
        run(*self._sendmail, *options, "-i", "-f", SENDER, *to, stdin=raw)

    def retry(self) -> None:
        """Flush the queue."""
        run(*self._postqueue, "-f")

    def queue(self) -> list[bool]:
        """Ask `postqueue`."""
        listed = map(json.loads, run(*self._postqueue, "-j").splitlines())
        return [one["queue_name"] == "deferred" for one in listed]


@contextmanager
def postfix(find: Find, *settings: str, port: int = 0) -> Iterator[Postfix]:
    """
    Run a Postfix with these lines in its main.cf; only root can.

    It takes mail by SMTP, too, if it has a port for that.
    """
    program = find("postfix")
    with open_folder() as folder:
        config = folder / "etc"
        config.mkdir()
        _make_places(folder)
        main = MAIN.format(folder=folder, hostname=HOSTNAME)
        (config / "main.cf").write_text("\n".join((main, *settings, "")), "ascii")
        os.utime(config / "main.cf", (0, 0))  # it waits for one that is new to be whole
        services = MASTER + (f"127.0.0.1:{port} inet n - n - - smtpd\n" if port else "")
        (config / "master.cf").write_text(services, "ascii")
        run(program, "-c", config, "start")
        try:
            yield Postfix(find, folder)
        finally:
            run(program, "-c", config, "stop")


def postfix_to(
    find: Find,
    host: str,
    port: int,
    *,
    tls: bool = False,
    settings: Sequence[str] = (),
    own_port: int = 0,
) -> AbstractContextManager[Postfix]:
    """Run one that relays there; by TLS where that is offered, if it shall."""
    level = "may" if tls else "none"
    relay = (f"relayhost = [{host}]:{port}", f"smtp_tls_security_level = {level}")
    return postfix(find, *relay, *settings, port=own_port)


def _make_places(folder: Path) -> None:
    """Make what Postfix would make at its first start, with dozens of programs."""
    for name in PLACES:
        place = folder / "queue" / name
        place.mkdir(parents=True)
        if name != "pid":
            shutil.chown(place, "postfix", "postdrop")
            place.chmod(0o730 if name in ("maildrop", "public") else 0o700)
    (folder / "queue" / "quick-start").touch()
    (folder / "data").mkdir()
    shutil.chown(folder / "data", "postfix")
