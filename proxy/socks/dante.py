"""Dante, the SOCKS server that binds the port it is asked for, run for tests and labs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..local import free_port

PATIENCE: Final = 20.0
"""Seconds for it to end."""
_HEAD: Final = """\
logoutput: stderr
internal: {host} port = {port}
external: {host}
clientmethod: none
socksmethod: {method}
{users}timeout.negotiate: 30
timeout.io: 0
internal.socket.so_keepalive: 1
internal.tcp.tcp_keepidle: {idle}
internal.tcp.tcp_keepintvl: {interval}
internal.tcp.tcp_keepcnt: {count}
"""
_AS_ROOT: Final = "user.privileged: root\nuser.unprivileged: nobody\n"
_CLIENTS: Final = "client pass {{ from: {clients} to: 0.0.0.0/0 }}\n"
_BIND: Final = """\
socks pass {{ from: 0.0.0.0/0 to: {host}/32{range}
             command: bind
             protocol: tcp{version} }}
"""
_BINDREPLY: Final = """\
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0
             command: bindreply
             protocol: tcp{log} }}
"""
_CONNECT: Final = """\
socks pass {{ from: 0.0.0.0/0 to: {host}/32
             command: connect
             protocol: tcp }}
"""
_LOG_ERRORS: Final = "\n             log: error"
_REST: Final = "socks block { from: 0.0.0.0/0 to: 0.0.0.0/0 }\n"


class Dante:
    """
    A danted in the foreground, in a process group of its own, with its files in a folder.

    `program` is danted, `host` the address on which it takes requests and binds ports, `prefix` a
    command that runs it, `ip netns exec` for instance. What `start` is not told is as it should be;
    `keepalive` are the seconds idle, the seconds between probes, and the probes after which it
    gives up a bind whose owner has gone.
    """

    def __init__(
        self,
        program: Path,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        prefix: Sequence[str] = (),
        keepalive: tuple[int, int, int] = (60, 15, 4),
    ) -> None:
        self._program = program
        self._folder = folder
        self._host = host
        self._prefix = prefix
        self._keepalive = keepalive
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port or free_port()

    def start(
        self,
        *,
        method: str = "none",
        clients: str = "0.0.0.0/0",
        bind: bool = True,
        bindreply: bool = True,
        connect: bool = False,
        ports: str = "",
        only_v4: bool = False,
        log_errors: bool = True,
    ) -> Dante:
        """Start it; returns when it listens. Raises `RuntimeError` with what it said."""
        idle, interval, count = self._keepalive
        text = _HEAD.format(
            host=self._host,
            port=self.port,
            method=method,
            users=_AS_ROOT if os.geteuid() == 0 else "",
            idle=idle,
            interval=interval,
            count=count,
        )
        text += _CLIENTS.format(clients=clients)
        if bind:
            version = "\n             proxyprotocol: socks_v4" if only_v4 else ""
            port_range = f" port {ports}" if ports else ""
            text += _BIND.format(host=self._host, range=port_range, version=version)
        if bindreply:
            text += _BINDREPLY.format(log=_LOG_ERRORS if log_errors else "")
        if connect:
            text += _CONNECT.format(host=self._host)
        config = self._folder / "danted.conf"
        config.write_text(text + _REST)
        self._run(config)
        return self

    def _run(self, config: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - the caller's program
            [*self._prefix, self._program, "-f", config, "-p", self._folder / "danted.pid"],
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stderr is not None
        heard = []
        for line in self._process.stderr:
            heard.append(line)
            if b" running" in line:
                return
        self.stop()
        raise RuntimeError(f"danted did not start: {heard}")

    def stop(self) -> None:
        """End it, and its children with it."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it and its children, as a crash or the machine's end does: nobody takes leave."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)
        self._process.communicate(timeout=PATIENCE)  # the pipe ends with the last child
        self._process = None

    def url(self, scheme: str = "socks5", login: str = "") -> str:
        """The bind path through it."""
        return f"{scheme}://{login}{'@' if login else ''}{self._host}:{self.port}"
