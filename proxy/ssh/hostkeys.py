"""Whether the key that an SSH server shows is the one that known_hosts has for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import asyncssh

from .failures import HostKey
from .settings import KNOWN_HOSTS, PORT


@dataclass(frozen=True, slots=True)
class KnownHost:
    """
    What known_hosts says of one server.

    `keys` and `authorities` are trusted, `revoked` never. `is_own` tells whether there are keys
    for this very host and port: OpenSSH, and so we, also take those of the host without a port.
    """

    keys: tuple[asyncssh.SSHKey, ...] = ()
    authorities: tuple[asyncssh.SSHKey, ...] = ()
    revoked: tuple[asyncssh.SSHKey, ...] = ()
    is_own: bool = False

    @classmethod
    def read(cls, file: Path, host: str, address: str, port: int) -> Self:
        """
        Look a server up; reads the file, so better in a thread.

        The user's own file may be absent: then nobody is known. Raises `OSError`, `ValueError`.
        """
        path = file.expanduser()
        if file == KNOWN_HOSTS and not path.exists():
            return cls()
        known = asyncssh.read_known_hosts(str(path))
        keys, authorities, revoked, *_ = known.match(host, address, None if port == PORT else port)
        return cls(
            keys=tuple(keys),
            authorities=tuple(authorities),
            revoked=tuple(revoked),
            is_own=port == PORT or _has_own(known, host, address, port),
        )

    @property
    def algorithms(self) -> str | None:
        """
        What to ask the server for: the kinds of key that are known, before all others.

        None for no preference. Without the others a server whose key has changed in kind would
        have nothing to show, and the change could not be told.
        """
        names: Sequence[bytes] = [
            name
            for key in self.keys
            for name in key.sig_algorithms
            if not name.endswith(b"@ssh.com")  # variants of RSA that only a few servers know
        ]
        return "^" + ",".join(name.decode("ascii") for name in names) if names else None

    def judge(self, key: asyncssh.SSHKey) -> HostKey:
        """Say what the file says of a plain host key; asyncssh looks for revoked ones itself."""
        return self._judge(key, self.keys)

    def judge_authority(self, key: asyncssh.SSHKey) -> HostKey:
        """Say what the file says of the key that signed a host certificate."""
        return self._judge(key, self.authorities)

    def _judge(self, key: asyncssh.SSHKey, trusted: Sequence[asyncssh.SSHKey]) -> HostKey:
        if key in trusted:
            return HostKey.TRUSTED
        return HostKey.CHANGED if self.is_own and trusted else HostKey.UNKNOWN


def _has_own(known: asyncssh.SSHKnownHosts, host: str, address: str, port: int) -> bool:
    """Say whether the file has keys for a host at a port other than 22, written `[HOST]:PORT`."""
    return any(
        keys or authorities
        for keys, authorities, *_ in (
            known.match(f"[{name}]:{port}", "", None) for name in (host, address)
        )
    )
