"""A real mail server as a judge: what a test asks of it, and the ground that each stands on."""

from __future__ import annotations

import pwd
import re
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

Find = Callable[[str], Path]
"""Gives a program's path by its name; the fixture `program`."""
SENDER: Final = "sender@origin.test"
HOSTNAME: Final = "mta.test"
BODY: Final = b"Hello.\n.\n..\n.x\n"
"""Of each message that a test has sent; the dots are for those who forget to stuff them."""
PATIENCE: Final = 60.0
"""Seconds in which a server must start, stop, or settle."""
_LOOK: Final = 0.02
"""Seconds between two looks at a log and a queue, which tell nobody that they have changed."""


class Mta(ABC):
    """
    A mail server of a test's own, which relays to one host and port.

    It attempts to deliver as soon as it has a message, and again when it is told to: the times at
    which it would by itself are far off.
    """

    ATTEMPT: ClassVar[re.Pattern[str]]
    """Finds an attempt in its log: the groups `to` and `outcome`."""
    OUTCOMES: ClassVar[Mapping[str, str]]
    """Its own words for `delivered`, `deferred` and `bounced`."""

    def __init__(self, log: Path) -> None:
        self._log = log

    @property
    def log(self) -> str:
        """What it has logged: whole lines."""
        log = self._log.read_text("utf-8") if self._log.exists() else ""
        return log[: log.rfind("\n") + 1]

    def send(self, subject: str, *to: str) -> None:
        """Hand a message over."""
        self.submit(mail(subject, to), *to)

    @abstractmethod
    def submit(self, raw: bytes, *to: str) -> None:
        """Hand a message over, as it is; its line ends are LF."""

    @abstractmethod
    def retry(self) -> None:
        """Have it try what waits, by its own command."""

    @abstractmethod
    def queue(self) -> list[bool]:
        """Give what its queue lists, by its own command: for each, whether it waits."""

    def outcomes(self, to: str = "") -> list[str]:
        """Give how its attempts ended, by its log, oldest first; those for one recipient."""
        found = [one for one in self.ATTEMPT.finditer(self.log) if to in ("", one["to"])]
        return [self.OUTCOMES[one["outcome"]] for one in found]

    def wait_for(self, to: str, *outcomes: str) -> int:
        """
        Return when its attempts for a recipient have ended so, and nothing is under way.

        Gives how many messages wait. Raises `AssertionError` when it took another course.
        """
        waiting = self._settle(to, len(outcomes))
        assert self.outcomes(to) == [*outcomes]
        return waiting

    def retry_until_delivered(self, to: str) -> list[str]:
        """Have it try until a recipient is served; gives how its attempts ended."""
        until = time.monotonic() + PATIENCE
        while "delivered" not in (seen := self.outcomes(to)):
            assert time.monotonic() < until, seen
            self.retry()
            self._settle(to, len(seen) + 1)
        return seen

    def _settle(self, to: str, attempts: int) -> int:
        """Return after so many attempts, when all that is left waits; gives how many that are."""
        until = time.monotonic() + PATIENCE
        while len(self.outcomes(to)) < attempts or not all(queue := self.queue()):
            assert time.monotonic() < until, (self.queue(), self.log)
            time.sleep(_LOOK)
        return len(queue)


def mail(subject: str, to: tuple[str, ...]) -> bytes:
    """Give a message with `BODY`."""
    return f"From: {SENDER}\nTo: {', '.join(to)}\nSubject: {subject}\n\n".encode() + BODY


def own_machine(
    find: Find, folder: Path, users: Mapping[str, str], places: Mapping[str, str]
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
    return find("unshare"), "--mount", "sh", "-c", f'{script}exec "$@"', folder


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a folder for daemons that are not root; pytest lets nobody else into its own."""
    with tempfile.TemporaryDirectory(prefix="bindpost-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def run(*command: object, stdin: bytes = b"") -> str:
    """Run a program to its end; gives what it says. Raises `AssertionError` if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, (words, (done.stdout + done.stderr).decode())
    return done.stdout.decode()
