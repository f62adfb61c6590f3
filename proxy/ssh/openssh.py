"""OpenSSH's own sshd, run on loopback with keys of its own, for tests and labs."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from bindpost.config.endpoint import Endpoint

from ..local import free_port
from .settings import SshSettings, Timing

_FIXED: Final = (
    "PidFile none",
    "UsePAM no",
    "StrictModes no",
    "PermitRootLogin prohibit-password",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
)


class OpenSshServer:
    """
    An sshd in the foreground, for the user who starts it, with its files in a folder.

    `sshd` and `keygen` are the programs, `host` is the address on which it listens, `prefix` a
    command that runs it, `ip netns exec` for instance. What is made: the keys `host` and `client`,
    which are known and authorized, `known_hosts`, `authorized_keys`. Linux and others with /proc
    tell the processes of its logins.
    """

    def __init__(
        self,
        sshd: Path,
        keygen: Path,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.address = Endpoint(host, free_port())
        self._sshd = sshd
        self._prefix = prefix
        self._keygen = keygen
        self._process: asyncio.subprocess.Process | None = None
        self._log: asyncio.Task[None] | None = None
        self.make_key("host")
        self.make_key("client")
        (folder / "authorized_keys").write_text((folder / "client.pub").read_text())
        self.trust("host")

    def keygen(self, *arguments: str | Path) -> str:
        """Run ssh-keygen; gives what it prints. Blocks."""
        command = [self._keygen, *arguments]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        return ran.stdout

    def make_key(self, name: str, passphrase: str = "") -> Path:
        """Make a pair of keys, and give the private one. Blocks."""
        path = self.folder / name
        self.keygen("-q", "-t", "ed25519", "-N", passphrase, "-f", path)
        return path

    def trust(self, name: str) -> None:
        """Make a public key the one that is known of this server."""
        key = (self.folder / f"{name}.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[{self.address.host}]:{self.address.port} {key}")

    def settings(self, timing: Timing | None = None) -> SshSettings:
        """Give settings with which a login works."""
        return SshSettings(
            host=self.address.host,
            port=self.address.port,
            user=pwd.getpwuid(os.getuid()).pw_name,
            key=self.folder / "client",
            known_hosts=self.folder / "known_hosts",
            timing=timing or Timing(),
        )

    @property
    def table(self) -> str:
        """The lines of a `[path.*]` table with which a login works."""
        settings = self.settings()
        return (
            f"type = 'ssh'\nhost = '{settings.host}'\nport = {settings.port}\n"
            f"user = '{settings.user}'\nkey = '{settings.key}'\n"
            f"known_hosts = '{settings.known_hosts}'\n"
        )

    async def start(self, *options: str) -> None:
        """
        Start it with these lines of sshd_config before its own; returns when it listens.

        Raises `RuntimeError` with what sshd says.
        """
        config = self.folder / "sshd_config"
        own = (
            f"Port {self.address.port}",
            f"ListenAddress {self.address.host}",
            f"HostKey {self.folder}/host",
            f"AuthorizedKeysFile {self.folder}/authorized_keys",
        )
        config.write_text("\n".join([*options, *own, *_FIXED, ""]))  # the first value counts
        make_privilege_folder()
        self._process = await asyncio.create_subprocess_exec(
            *self._prefix, self._sshd, "-D", "-e", "-f", config, stderr=asyncio.subprocess.PIPE
        )
        said = ""
        assert self._process.stderr is not None
        while "Server listening" not in said:
            if not (line := await self._process.stderr.readline()):
                raise RuntimeError(f"sshd did not start: {said}")
            said += line.decode(errors="replace")
        self._log = asyncio.create_task(_drain(self._process.stderr))

    def pause(self) -> None:
        """Stop the process that listens: the kernel still accepts, and nobody greets."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def sessions(self) -> Sequence[int]:
        """Give the processes of its logins."""
        return () if self._process is None else _descendants(self._process.pid)

    def signal_sessions(self, number: signal.Signals) -> None:
        """Send a signal to the processes of its logins."""
        for pid in self.sessions():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    async def stop(self) -> None:
        """Kill it and its logins, as a crash does."""
        if self._process is None or self._process.returncode is not None:
            return
        self.pause()  # a login that begins now would not be among those that are killed
        self.signal_sessions(signal.SIGKILL)
        self._process.kill()
        await self._process.wait()
        if self._log is not None:
            await self._log


def make_privilege_folder() -> None:
    """Make the empty folder that sshd wants when root starts it, as its service does."""
    if os.getuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)


async def _drain(stream: asyncio.StreamReader) -> None:
    """Read what sshd logs, so that it never waits for a reader."""
    while await stream.readline():
        pass


def _descendants(pid: int) -> list[int]:
    """Give the processes that a process has started, and theirs."""
    found: list[int] = []
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found
