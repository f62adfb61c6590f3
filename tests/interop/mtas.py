"""Real mail servers as judges: each queues what a test hands over, and delivers it to bindpost."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SENDER: Final = "sender@origin.test"
HOSTNAME: Final = "mta.test"
PATIENCE: Final = 60.0
"""Seconds in which a server must start, stop, or take a message."""

Send = Callable[..., None]
"""Hands a message over: its subject, then its recipients."""

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
smtp_tls_security_level = none
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
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
smtp      unix  - - n - - smtp
lmtp      unix  - - n - - lmtp
error     unix  - - n - - error
retry     unix  - - n - - error
postlog   unix-dgram n - n - 1 postlogd
"""


@contextmanager
def postfix(find: Callable[[str], Path], *settings: str, port: int = 0) -> Iterator[Send]:
    """
    Run a Postfix of a test's own with these lines in its main.cf; gives what hands a message over.

    `find` gives a program's path. It takes mail by SMTP, too, if it has a port for that. Only root
    can start it.
    """
    program, sendmail = find("postfix"), find("sendmail")
    with open_folder() as folder:
        config = folder / "etc"
        for name in ("etc", "queue", "data"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        main = MAIN.format(folder=folder, hostname=HOSTNAME)
        (config / "main.cf").write_text("\n".join((main, *settings, "")), "ascii")
        services = MASTER + (f"127.0.0.1:{port} inet n - n - - smtpd\n" if port else "")
        (config / "master.cf").write_text(services, "ascii")
        with _started(program, config):
            yield lambda subject, *to: _hand_over((sendmail, "-C", config), subject, to)


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a folder for daemons that are not root; pytest lets nobody else into its own."""
    with tempfile.TemporaryDirectory(prefix="bindpost-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def _started(program: Path, config: Path) -> Iterator[None]:
    _run(program, "-c", config, "start")
    try:
        yield
    finally:
        _run(program, "-c", config, "stop")


def _hand_over(sendmail: tuple[object, ...], subject: str, to: tuple[str, ...]) -> None:
    mail = f"From: {SENDER}\nTo: {', '.join(to)}\nSubject: {subject}\n\nHello.\n"
    _run(*sendmail, "-i", "-f", SENDER, *to, stdin=mail.encode())


def _run(*command: object, stdin: bytes = b"") -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, (words, (done.stdout + done.stderr).decode())
