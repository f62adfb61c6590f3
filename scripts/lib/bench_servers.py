"""The servers of others that scripts/bench measures: finds them, tells their version, runs one."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bindpost.proxy.local import free_port

_FOLDERS: Final = os.pathsep.join(
    [
        *(os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"),
        *map(str, Path("/usr/lib/postgresql").glob("*/bin")),
    ]
)
_DANTED_CONF: Final = """\
logoutput: stderr
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
clientmethod: none
socksmethod: none
{users}timeout.negotiate: 30
timeout.io: 0
client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
socks pass {{ from: 127.0.0.0/8 to: 127.0.0.1/32
             command: bind
             protocol: tcp }}
socks pass {{ from: 0.0.0.0/0 to: 127.0.0.0/8
             command: bindreply
             protocol: tcp
             log: error }}
"""
"""As docs/socks.md has it, and for the reasons that it gives."""


def program(name: str) -> Path | None:
    """Give the path of a program; None if it isn't installed."""
    path = shutil.which(name, path=_FOLDERS)
    return Path(path) if path else None


def version(path: Path, option: str) -> str:
    """Give what a program calls itself, `OpenSSH 9.2` or `Dante 1.4.2`; its file's name if not."""
    done = subprocess.run([path, option], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"(OpenSSH|Dante)[_ ]v?([\w.]*\w)", done.stdout + done.stderr)
    return f"{found[1]} {found[2]}" if found else path.name


@asynccontextmanager
async def dante(danted: Path, folder: Path) -> AsyncIterator[str]:
    """Run Dante in the foreground; gives the bind path when it listens."""
    port = free_port()
    users = "user.privileged: root\nuser.unprivileged: nobody\n" if os.geteuid() == 0 else ""
    config = folder / "danted.conf"
    config.write_text(_DANTED_CONF.format(port=port, users=users), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        danted, "-f", config, "-p", folder / "danted.pid", stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    said = b""
    while b" running" not in said:
        if not (line := await process.stderr.readline()):
            raise RuntimeError(f"danted did not start: {said.decode(errors='replace')}")
        said += line
    rest = asyncio.create_task(process.stderr.read())  # it must never wait for a reader
    try:
        yield f"socks5://127.0.0.1:{port}"
    finally:
        process.terminate()  # its children with it
        await process.wait()
        await rest
