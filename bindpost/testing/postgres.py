"""A PostgreSQL server for tests: in a temporary folder, on a free port, and never as root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

from ..proxy.local import free_port
from ..server.message.model import new_id

USERS: Final = ("postgres", "nobody")
"""Those who may run it in place of root, whom its programs refuse."""
TABLES: Final = (
    *("message", "body", "header", "recipient", "content", "transcript", "change"),
    *("tag", "mailbox", "mailbox_tag", "mailbox_total"),
)
OPTIONS: Final = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -p"


class PostgresServer:
    """
    A server that begins with an empty database; `initdb` and `pg_ctl` are its programs.

    Its data is in a folder of its own in `place`, by default where temporary files are. With
    `fsync` it outlives the machine, and in any case the server.
    """

    def __init__(
        self, initdb: Path, pg_ctl: Path, *, place: str | None = None, fsync: bool = False
    ) -> None:
        self._pg_ctl = pg_ctl
        self._options = OPTIONS if fsync else f"-c fsync=off {OPTIONS}"
        self._folder = Path(tempfile.mkdtemp(prefix="bindpost-postgres-", dir=place))
        self._port = free_port()
        self._free: list[str] = []
        self._lasting = ExitStack()
        self._identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            names = {entry.pw_name: entry for entry in pwd.getpwall()}
            user = next(names[name] for name in USERS if name in names)
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        options = ("-A", "trust", "-U", "bindpost", "-E", "UTF8", "--locale=C", "--no-sync")
        self._run(initdb, "-D", self._folder / "data", *options)
        self.start()

    @property
    def pid(self) -> int:
        """The process that has started all its others."""
        return int((self._folder / "data" / "postmaster.pid").read_text().split()[0])

    def url(self, schema: str, *, password: str = "") -> str:
        """Give the URL of a schema."""
        user = f"bindpost:{password}" if password else "bindpost"
        options = f"application_name={schema}&options=-csearch_path%3D{schema}"
        return f"postgresql://{user}@127.0.0.1:{self._port}/postgres?{options}"

    @contextmanager
    def new_schema(self) -> Iterator[str]:
        """Have a schema without tables while the block runs; gives its URL."""
        schema = f"inbox_{new_id()}".lower()
        self.run(f"CREATE SCHEMA {schema}")
        try:
            yield self.url(schema)
        finally:
            # The indexer of a node that was killed may still be at it.
            self.run(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"  # noqa: S608 - ours
                f" WHERE application_name = '{schema}'"
            )
            self.run(f"DROP SCHEMA {schema} CASCADE")

    @contextmanager
    def inbox(self) -> Iterator[str]:
        """
        Lend a schema whose inbox is empty; gives its URL.

        Its tables may be there already: to make them anew for each test would take longer than most
        of the tests. Whoever opened it must have closed it at the end of the block.
        """
        url = self._free.pop() if self._free else self._lasting.enter_context(self.new_schema())
        yield url
        with psycopg.connect(url, autocommit=True) as connection:
            for table in TABLES:
                connection.execute(f"DELETE FROM {table}".encode())  # noqa: S608 - constants only
            connection.execute("UPDATE inbox SET sequence = 0, total = 0, unread = 0, size = 0")
            connection.execute("UPDATE content_frontier SET upto = 0")
        self._free.append(url)

    def run(self, sql: str) -> None:
        """Execute a statement."""
        with psycopg.connect(self.url("public"), autocommit=True) as connection:
            connection.execute(sql.encode())

    def start(self) -> None:
        """Start it; when this returns it answers."""
        self._control("start", "-l", self._folder / "log", "-o", f"{self._options} {self._port}")

    def stop(self) -> None:
        """End it as a crash would."""
        self._control("stop", "-m", "immediate")

    @contextmanager
    def away(self) -> Iterator[None]:
        """Have it away while the block runs."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def still(self) -> Iterator[None]:
        """Have all its processes stand still while the block runs: it stays, and says nothing."""
        stopped = [self.pid]
        os.kill(self.pid, signal.SIGSTOP)  # first: now there will be no more of them
        stopped += _children(self.pid)
        for pid in stopped[1:]:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(stopped):
                os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """End it, and remove its data."""
        self._lasting.close()
        self.stop()
        shutil.rmtree(self._folder)

    def _control(self, *arguments: str | Path) -> None:
        self._run(self._pg_ctl, "-D", self._folder / "data", "-w", "-s", *arguments)

    def _run(self, *command: str | Path) -> None:
        # To files: what it starts inherits them, and would hold a pipe open.
        with (self._folder / "output").open("w") as output:
            done = subprocess.run(  # noqa: S603 - the test's program
                command,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                check=False,
                **self._identity,
            )
        assert done.returncode == 0, (self._folder / "output").read_text()


def _children(parent: int) -> list[int]:
    """Give the processes that a process has started, by their ids."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="],  # noqa: S607 - POSIX has it
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    return [pid for pid, of in pairs if of == parent]
