"""What went wrong on an ssh path, told from what was seen, as the error that bind() gives."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import asyncssh

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError

from .. import wsa
from ..calling import NOTHING
from ..provider import Finding
from .matrix import ECONNRESET, ETIMEDOUT, REACH_ROWS, ROWS, Row
from .request import ListenRequest
from .settings import SshSettings

GREETING_KEPT: Final = 256
"""Bytes of what a server says first that are kept; a version line has 255 (RFC 4253 4.2)."""
LONGEST_QUOTE: Final = 120
"""Characters of what a server said that are repeated in an error."""
_TURNED_AWAY: Final = (b"Exceeded MaxStartups", b"Not allowed at this time")
"""What sshd writes in place of a version line when it has too many logins under way."""

_REFUSAL: Final = re.compile(r"(?i)forward.*(refused|denied|prohibited|not)|disabled.*forward")
"""Debug messages that give a reason; there are others, about keys and GatewayPorts."""


class HostKey(StrEnum):
    """What known_hosts says of the key that a server has shown."""

    TRUSTED = "trusted"
    UNKNOWN = "unknown"
    CHANGED = "changed"


@dataclass(slots=True)
class Progress:
    """How far a login has come: what tells one failure from another."""

    heard: bytes = b""
    """The first bytes that the server sent."""
    heard_at: float = 0.0
    """When the first of them came, as `time.perf_counter` tells it."""
    version: str = ""
    """Its version line, `SSH-2.0-OpenSSH_9.2p1` for instance."""
    host_key: HostKey | None = None
    fingerprint: str = ""
    authenticating: bool = False
    """Whether the server has proved to be the right one and is being logged in to."""

    def hear(self, data: bytes) -> None:
        """Note what the server says, if it is among the first."""
        self.heard_at = self.heard_at or time.perf_counter()
        if len(self.heard) < GREETING_KEPT:
            self.heard += data[: GREETING_KEPT - len(self.heard)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Makes the errors of one bind: the endpoint and the path are their object."""

    settings: SshSettings
    endpoint: Endpoint

    def of(
        self, key: str, reason: str = "", *, cause: int | None = None, other: str = ""
    ) -> BindError:
        """Give the error of a row of the matrix; `cause` is the system's own Winsock code."""
        row = ROWS[key]
        return BindError(
            row.code,
            endpoint=str(self.endpoint),
            path=self.settings.url,
            hop=row.hop,
            detail=self._detail(row, reason, cause=cause, other=other),
            hint=row.hint.format(**self._facts(row, other)),
        )

    def find(self, key: str, reason: str = "", *, cause: int | None = None) -> Finding:
        """Give what a self-test has found: a fault, or that it couldn't be made."""
        row = REACH_ROWS[key]
        ok = False if row.code == NOTHING else None
        detail = self._detail(row, reason, cause=cause)
        return Finding(ok, detail, row.hint.format(**self._facts(row)))

    def _detail(self, row: Row, reason: str, *, cause: int | None, other: str = "") -> str:
        number = row.cause if cause is None else cause
        colon = f": {reason}" if reason else ""
        situation = row.situation.format(**self._facts(row, other))
        return f"{situation}{colon} ({wsa.name_of(number)}, {number})"

    def _facts(self, row: Row, other: str = "") -> dict[str, str]:
        return {
            "host": self.settings.host,
            "server": self.settings.server,
            "login": self.settings.login,
            "endpoint": str(self.endpoint),
            "port": str(self.endpoint.port),
            "file": str(self._file(row.key)),
            "other": other,
        }

    def resolving(self, error: Exception) -> BindError:
        """Give the error of a name without an address."""
        if isinstance(error, TimeoutError):
            return self.of("unresolvable", "no answer from the name service", cause=11002)
        cause = wsa.code_of(error) if isinstance(error, OSError) else None
        return self.of("unresolvable", _words(error), cause=cause)

    def connecting(self, errors: Sequence[tuple[str, OSError]]) -> BindError:
        """Give the error of addresses none of which takes a connection; the last one decides."""
        address, last = errors[-1]
        cause = wsa.code_of(last)
        key = "refused" if isinstance(last, ConnectionRefusedError) else "unreachable"
        if len(errors) == 1:
            spared = {self.settings.host, ""}
            place = "" if address in spared else f"{address}: "
            return self.of(key, f"{place}{_words(last)}", cause=cause)
        reason = "; ".join(f"{address}: {_words(error)}" for address, error in errors)
        return self.of(key, reason, cause=cause)

    def credentials(self, error: Exception) -> BindError:
        """Give the error of a key or password file that can't be used."""
        cause = wsa.code_of(error) if isinstance(error, OSError) else None
        return self.of("credentials", _words(error), cause=cause)

    def known_hosts(self, error: Exception) -> BindError:
        """Give the error of a known_hosts file that can't be used."""
        cause = wsa.code_of(error) if isinstance(error, OSError) else None
        return self.of("known-hosts", _words(error), cause=cause)

    def login(self, error: Exception, progress: Progress) -> BindError:
        """Give the error of a connection that ended before it was a login."""
        match error:
            case asyncssh.HostKeyNotVerifiable():
                return self._host_key(error, progress)
            case asyncssh.PermissionDenied():
                return self.of("denied", _words(error))
        if isinstance(error, ValueError) and not progress.heard:  # of asyncssh's options
            return self.of("credentials", _words(error))
        slow = "timeout" in str(error)
        if not progress.version:
            return self._greeting(error, progress.heard, slow=slow)
        if slow:
            return self.of("login-slow", _words(error))
        was_told = isinstance(error, asyncssh.DisconnectError) and not _is_loss(error)
        if was_told and progress.authenticating:
            return self.of("denied", _words(error))  # "Too many authentication failures"
        key = "no-common-algorithm" if was_told else "lost-in-login"
        return self.of(key, _words(error))

    def _host_key(self, error: Exception, progress: Progress) -> BindError:
        if "revoked" in str(error):  # found by asyncssh, before anybody is asked
            return self.of("host-key-revoked", _words(error))
        if progress.host_key in (None, HostKey.TRUSTED):  # a certificate that is not valid
            return self.of("host-key-unknown", _words(error))
        return self.of(f"host-key-{progress.host_key}", f"it shows {progress.fingerprint}")

    def _greeting(self, error: Exception, heard: bytes, *, slow: bool) -> BindError:
        """Give the error of a server without a version line."""
        if isinstance(error, asyncssh.ProtocolNotSupported):
            return self.of("no-common-algorithm", _quoted(heard))
        if heard and not heard.startswith(_TURNED_AWAY):
            return self.of("not-ssh", _quoted(heard), cause=ETIMEDOUT if slow else ECONNRESET)
        if slow:
            return self.of("silent")
        return self.of("closed-early", _quoted(heard) if heard else _words(error))

    def request(self, debug: Sequence[str], version: str) -> BindError:
        """
        Give the error of a request to listen that was refused; the protocol gives no reason.

        OpenSSH says in a debug message when it is a rule that forbids, and nothing when the bind
        itself fails.
        """
        said = [message for message in debug if _REFUSAL.search(message)]
        text = "\n".join(said).lower()
        if "disabled port forwarding" in text:
            return self.of("forwarding-disabled")
        if "port forwarding refused" in text:
            return self.of("permit-listen")
        if said or "OpenSSH" not in version:
            return self.of("refused-unexplained", _quoted_text(said[-1] if said else version))
        if self.endpoint.port == 0:
            return self.of("not-local")
        if self.endpoint.port < 1024:
            return self.of("in-use-or-privileged")
        asked = ListenRequest(self.endpoint)
        is_plain = asked.is_wildcard or asked.is_loopback
        other = (
            "" if is_plain else f"; or {self.endpoint.host} is no address of {self.settings.host}"
        )
        return self.of("in-use", other=other)

    def lost(self, key: str, error: Exception | None) -> BindError:
        """Give the error of a connection that ended after the login; `key` says when."""
        if error is None:
            return self.of(key, "closed by the server")
        keepalive = isinstance(error, TimeoutError) or "keepalive" in str(error)
        return self.of(key, _words(error), cause=ETIMEDOUT if keepalive else None)

    def _file(self, key: str) -> object:
        if key == "credentials":
            return self.settings.key or self.settings.password_file or "~/.ssh"
        return self.settings.known_hosts


def _is_loss(error: Exception) -> bool:
    return isinstance(error, asyncssh.ConnectionLost)


def _words(error: Exception) -> str:
    """Give what an error says, without a line break."""
    text = str(error) or ("no answer" if isinstance(error, TimeoutError) else type(error).__name__)
    if isinstance(error, OSError) and error.errno is not None:
        # asyncio puts the address in the place of the system's words.
        is_systems = error.errno > 0 and not isinstance(error, socket.gaierror)
        text = os.strerror(error.errno) if is_systems else error.strerror or text
    return printable(" ".join(text.split()))


def _quoted(heard: bytes) -> str:
    line = heard.split(b"\n", 1)[0].rstrip(b"\r")
    return repr(printable(line.decode("ascii", "backslashreplace")))


def _quoted_text(text: str) -> str:
    return repr(printable(text))


def printable(text: str) -> str:
    """Give a stranger's text for a terminal: no control character, and not without end."""
    cut = text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}..."
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in cut
    )
