"""
Meets failures that need a machine of one's own; the tests run it in a network namespace.

Its argument names a function here, which makes the state and fails to bind; prints the error.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import fcntl
import json
import os
import platform
import resource
import shutil
import socket
import struct
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import NoReturn

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.provider import BindProvider, ListenerState
from bindpost.proxy.socks.address import SocksProxy
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.standin import SocksServer
from bindpost.proxy.socks.timing import Timing

ANYWHERE = Endpoint("0.0.0.0", 0)
NOWHERE = "192.0.2.1"
"""An address for documentation (RFC 5737); here there is no route to it."""


async def bind(provider: BindProvider, endpoint: Endpoint = ANYWHERE) -> BindError:
    """Fail to bind."""
    try:
        await provider.create_server(asyncio.Protocol, endpoint)
    except BindError as error:
        return error
    sys.exit("the bind did not fail")


def loopback(up: bool) -> None:
    """Switch the namespace's only interface on or off (netdevice(7), SIOCSIFFLAGS)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sH14x", b"lo", 1 if up else 0))


def set_kernel(name: str, value: str) -> None:
    """Set a parameter of the namespace (sysctl)."""
    Path("/proc/sys", name).write_text(value)


def leave_no_descriptor() -> None:
    """Let every new descriptor be one too many; those that are open stay so."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def leave_no_ipv6() -> None:
    """Let socket(AF_INET6) fail as on a kernel that has none (seccomp(2), PR_SET_SECCOMP)."""
    number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
    steps = [  # code, jump if true, jump if false, operand
        (0x20, 0, 0, 0),  # the system call
        (0x15, 0, 3, number),
        (0x20, 0, 0, 16),  # its first argument
        (0x15, 0, 1, socket.AF_INET6),
        (0x06, 0, 0, 0x00050000 | errno.EAFNOSUPPORT),
        (0x06, 0, 0, 0x7FFF0000),  # everything else is allowed
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    kept = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(kept))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
        sys.exit(f"no seccomp filter: {os.strerror(ctypes.get_errno())}")


async def socks_unreachable() -> BindError:
    """There is no route to the proxy."""
    return await bind(SocksProvider.from_url(f"socks5://{NOWHERE}:1080"))


async def ssh_unreachable() -> BindError:
    """There is no route to the SSH server."""
    from bindpost.proxy.ssh.provider import SshProvider

    return await bind(SshProvider.from_url(f"ssh://mail@{NOWHERE}"))


async def socks_out_of_resources() -> BindError:
    """There is no descriptor for the connection to the proxy."""
    provider = SocksProvider.from_url("socks5://127.0.0.1:1080")
    leave_no_descriptor()
    return await bind(provider)


async def socks_other() -> BindError:
    """The only port that a connection to the proxy could come from has one there already."""
    loopback(True)
    async with SocksServer() as proxy:
        set_kernel("net/ipv4/ip_local_port_range", "50000 50000")
        with socket.create_connection((proxy.address.host, proxy.address.port)):
            return await bind(SocksProvider.from_url(proxy.url()))


async def socks_vanished() -> BindError:
    """The network to the proxy goes while a bind waits."""
    loopback(True)
    reports: asyncio.Queue[tuple[ListenerState, BindError | None]] = asyncio.Queue()
    async with SocksServer() as proxy:
        listener = await SocksProvider(
            SocksProxy.from_url(proxy.url()), timing=Timing(keepalive=(1, 1, 1))
        ).create_server(
            asyncio.Protocol,
            ANYWHERE,
            report=lambda state, error: reports.put_nowait((state, error)),
        )
        loopback(False)
        state, error = await reports.get()
        loopback(True)
        listener.close()
        await listener.wait_closed()
    assert state is ListenerState.RETRYING
    assert error is not None
    return error


async def direct_other() -> BindError:
    """There is no descriptor for the listening socket."""
    leave_no_descriptor()
    return await bind(DirectProvider())


async def direct_no_family() -> BindError:
    """The system has no IPv6."""
    leave_no_ipv6()
    return await bind(DirectProvider(), Endpoint("::1", 0))


async def direct_forbidden() -> BindError:
    """The system forbids a port above 1023, too."""
    set_kernel("net/ipv4/ip_unprivileged_port_start", "3000")
    again_without_rights("direct_forbidden_now")


async def direct_forbidden_now() -> BindError:
    """What is left of `direct_forbidden` when the right was taken away."""
    return await bind(DirectProvider(), Endpoint("0.0.0.0", 2525))


def again_without_rights(scenario: str) -> NoReturn:
    """Become this program again, without the right to bind what is forbidden."""
    without = ["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
    setpriv = shutil.which("setpriv") or sys.exit("setpriv is not installed")
    os.execv(setpriv, [setpriv, *without, sys.executable, __file__, scenario])


def main(scenario: str) -> None:
    """Run a scenario in a network namespace that isn't the caller's; prints its error as JSON."""
    if os.readlink("/proc/self/ns/net") == os.readlink(f"/proc/{os.getppid()}/ns/net"):
        sys.exit("this changes the network: start it by `unshare --net`")
    made: Coroutine[None, None, BindError] = globals()[scenario]()
    error = asyncio.run(made)
    facts = {"code": error.code, "hop": error.hop, "detail": error.detail, "hint": error.hint}
    sys.stdout.write(json.dumps(facts))


if __name__ == "__main__":
    main(sys.argv[1])
