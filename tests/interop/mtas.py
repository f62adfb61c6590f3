"""Real mail servers as judges: each queues what a test hands over, and delivers it to bindpost."""

from __future__ import annotations

import pwd
import shutil
import smtplib
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from bindpost.proxy.local import free_port
from bindpost.testing.programs import running

SENDER: Final = "sender@origin.test"
HOSTNAME: Final = "mta.test"
PATIENCE: Final = 60.0
"""Seconds in which a server must start, stop, or take a message."""

Send = Callable[..., None]
"""Hands a message over: its subject, its recipients, and to Postfix options of its sendmail."""

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


EXIM: Final = """
primary_hostname = {hostname}
exim_path = {program}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts =
keep_environment =
begin routers
relay:
  driver = manualroute
  route_list = * {host}
  self = send
  transport = relay
begin transports
relay:
  driver = smtp
  port = {relay_port}
  allow_localhost
  hosts_avoid_tls = *
begin retry
* * F,1h,1s
"""


@contextmanager
def exim(find: Callable[[str], Path], host: str, port: int) -> Iterator[Send]:
    """Run an exim of a test's own that relays there; gives what hands a message over."""
    program, unshare = find("exim4"), find("unshare")
    with open_folder() as folder:
        for name in ("spool", "log"):
            (folder / name).mkdir()
            shutil.chown(folder / name, "mail", "mail")
        own = free_port()
        places = {"folder": folder, "program": program, "port": own, "hostname": HOSTNAME}
        config = folder / "exim.conf"
        config.write_text(EXIM.format(host=host, relay_port=port, **places), "ascii")
        machine = _own_machine(unshare, folder, {"Debian-exim": "mail"}, {})
        command = (*machine, program, "-C", config)
        with running(own, *command, "-bdf", "-q1s"):
            yield lambda subject, *to: _hand_over(command, subject, to)


OPENSMTPD: Final = """
listen on 127.0.0.1 port {port} hostname {hostname}
action "relay" relay host smtp://{host}:{relay_port} helo {hostname}
match from any for any action "relay"
"""


@contextmanager
def opensmtpd(find: Callable[[str], Path], host: str, port: int) -> Iterator[Send]:
    """
    Run an OpenSMTPD of a test's own that relays there; gives what hands a message over.

    It tries again after 400 seconds first, and that can't be set; so it is told each second, as an
    administrator would, to forget that a host has failed and to try what waits.
    """
    control, unshare = find("smtpctl"), find("unshare")
    program = control.with_name("smtpd")  # Postfix has another
    with open_folder() as folder:
        for name in ("spool", "run", "lib/opensmtpd/empty"):
            (folder / name).mkdir(parents=True)
        own = free_port()
        config = folder / "smtpd.conf"
        config.write_text(
            OPENSMTPD.format(port=own, hostname=HOSTNAME, host=host, relay_port=port), "ascii"
        )
        machine = _own_machine(
            unshare,
            folder,
            {"opensmtpd": "mail", "opensmtpq": "news"},
            {"spool": "/var/spool", "run": "/run", "lib": "/var/lib"},
        )
        gid = pwd.getpwnam("news").pw_gid
        smtpctl = (*machine, find("setpriv"), f"--regid={gid}", "--clear-groups", control)
        with running(own, *machine, program, "-d", "-f", config), _trying_again(smtpctl):
            yield lambda subject, *to: _submit(own, subject, to)


@contextmanager
def _trying_again(smtpctl: tuple[object, ...]) -> Iterator[None]:
    over = threading.Event()

    def each_second() -> None:
        while not over.wait(1.0):
            for route in _run(*smtpctl, "show", "routes").splitlines():
                _run(*smtpctl, "resume", "route", route.partition(b".")[0].decode())
            _run(*smtpctl, "schedule", "all")

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(each_second)
        try:
            yield
        finally:
            over.set()
            work.result()


def _submit(port: int, subject: str, to: tuple[str, ...]) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test") as client:
        client.sendmail(SENDER, to, _mail(subject, to))


def postfix_to(find: Callable[[str], Path], host: str, port: int) -> AbstractContextManager[Send]:
    """Run a Postfix of a test's own that relays there."""
    return postfix(find, f"relayhost = [{host}]:{port}")


MTAS: Final = {"postfix": postfix_to, "exim": exim, "opensmtpd": opensmtpd}
"""All of them, by name: each is given what finds programs, a host and a port to relay to."""


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
            yield lambda subject, *to, options=(): _hand_over(
                (sendmail, "-C", config, *options), subject, to
            )


def _own_machine(
    unshare: Path, folder: Path, users: Mapping[str, str], places: Mapping[str, str]
) -> tuple[object, ...]:
    """
    Give the words that run a program where there are these users, aliases of others.

    A daemon insists on the users that its package would make; a package that is only unpacked makes
    none. So the program gets user files of its own, in a mount namespace; there, folders of the
    test stand in `places`.
    """
    passwd, group = (Path("/etc", name).read_text("utf-8") for name in ("passwd", "group"))
    for name, other in users.items():
        found = pwd.getpwnam(other)
        numbers = f"{found.pw_uid}:{found.pw_gid}"
        passwd = f"{name}:x:{numbers}::/nonexistent:/usr/sbin/nologin\n{passwd}"
        group = f"{name}:x:{found.pw_gid}:\n{group}"
    (folder / "passwd").write_text(passwd, "utf-8")
    (folder / "group").write_text(group, "utf-8")
    mounts = {"passwd": "/etc/passwd", "group": "/etc/group", **places}
    script = "".join(f'mount --bind "$0/{name}" {place} && ' for name, place in mounts.items())
    return unshare, "--mount", "sh", "-c", f'{script}exec "$@"', folder


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a folder for daemons that are not root; pytest lets nobody else into its own."""
    with tempfile.TemporaryDirectory(prefix="bindpost-", ignore_cleanup_errors=True) as name:
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
    _run(*sendmail, "-i", "-f", SENDER, *to, stdin=_mail(subject, to).encode())


def _mail(subject: str, to: tuple[str, ...]) -> str:
    return f"From: {SENDER}\nTo: {', '.join(to)}\nSubject: {subject}\n\nHello.\n"


def _run(*command: object, stdin: bytes = b"") -> bytes:
    """Run a program to its end; gives what it says. Raises `AssertionError` if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, (words, (done.stdout + done.stderr).decode())
    return done.stdout
