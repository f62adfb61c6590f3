"""What is taken for a SOCKS proxy with BIND: microsocks, `ssh -D`, SSH servers, HTTP proxies."""

from __future__ import annotations

import asyncio
import getpass
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.local import free_port
from bindpost.proxy.socks.address import SocksProxy
from bindpost.proxy.socks.matrix import MATRIX
from bindpost.proxy.socks.provider import SocksProvider
from bindpost.proxy.socks.timing import Timing
from bindpost.testing.programs import running

ROWS = {row.key: row for row in MATRIX}
ANY = Endpoint("0.0.0.0", 0)
HASTY = Timing(step=0.5, total=5.0, probe=0.5)

Program = Callable[[str], Path]


@pytest.fixture
def microsocks(program: Program) -> Iterator[str]:
    """A microsocks without a login."""
    port = free_port()
    with running(port, program("microsocks"), "-i", "127.0.0.1", "-p", port) as address:
        yield address


@pytest.fixture
def tinyproxy(program: Program, tmp_path: Path) -> Iterator[str]:
    """A tinyproxy."""
    port = free_port()
    config = tmp_path / "tinyproxy.conf"
    config.write_text(f'Port {port}\nListen 127.0.0.1\nTimeout 10\nLogFile "{tmp_path}/log"\n')
    with running(port, program("tinyproxy"), "-d", "-c", config) as address:
        yield address


@pytest.fixture
def sshd(program: Program, tmp_path: Path) -> Iterator[str]:
    """An sshd that lets this user in by the key `tmp_path/key`."""
    Path("/run/sshd").mkdir(exist_ok=True)  # sshd, as root, wants it for privilege separation
    for name in ("host", "key"):
        subprocess.run(
            [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name],
            check=True,
        )
    port = free_port()
    config = tmp_path / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path}/key.pub\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\nAllowTcpForwarding yes\n"
    )
    with running(port, program("sshd"), "-D", "-e", "-f", config) as address:
        yield address


@pytest.fixture
def ssh_d(program: Program, sshd: str, tmp_path: Path) -> Iterator[str]:
    """`ssh -D`, OpenSSH's SOCKS proxy."""
    port = free_port()
    options = {
        "BatchMode": "yes",
        "IdentityFile": str(tmp_path / "key"),
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "ExitOnForwardFailure": "yes",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    host, _, ssh_port = sshd.partition(":")
    command = [program("ssh"), "-F", "none", "-N", "-D", f"127.0.0.1:{port}", *words]
    with running(port, *command, "-p", ssh_port, f"{getpass.getuser()}@{host}") as address:
        yield address


async def refusal(url: str, *, timing: Timing | None = None) -> BindError:
    """Give the error with which a bind fails."""
    with pytest.raises(BindError) as caught:
        await SocksProvider(SocksProxy.from_url(url), timing=timing).create_server(
            asyncio.Protocol, ANY
        )
    return caught.value


def check(error: BindError, key: str) -> None:
    """See that an error is that of its row."""
    row = ROWS[key]
    assert (error.code, error.hint) == (row.event, row.hint), error
    assert error.hop in row.hops
    assert f"({row.winsock} " in error.detail


async def test_microsocks_has_no_bind(microsocks: str) -> None:
    """Over SOCKS5 it says 0x07; SOCKS4 it doesn't speak."""
    check(await refusal(f"socks5://{microsocks}"), "no-bind")
    check(await refusal(f"socks4://{microsocks}"), "v5-only")


async def test_microsocks_with_a_login(program: Program) -> None:
    """It wants the login, refuses a wrong one, and has no BIND for the right one either."""
    port = free_port()
    login = ("-u", "me", "-P", "secret")
    with running(port, program("microsocks"), "-i", "127.0.0.1", "-p", port, *login) as at:
        check(await refusal(f"socks5://{at}"), "login-wanted")
        check(await refusal(f"socks5://me:wrong@{at}"), "login-refused")
        check(await refusal(f"socks5://me:secret@{at}"), "no-bind")


async def test_ssh_d_has_no_bind(ssh_d: str) -> None:
    """OpenSSH takes the greeting and closes on BIND; over SOCKS4 it closes at once."""
    check(await refusal(f"socks5://{ssh_d}"), "closed-request")
    check(await refusal(f"socks4://{ssh_d}"), "v5-only")


async def test_an_ssh_server(sshd: str) -> None:
    """An SSH server in the proxy's place is told by its own greeting."""
    for scheme in ("socks5", "socks4"):
        error = await refusal(f"{scheme}://{sshd}")

        check(error, "ssh")
        assert "SSH-2.0-OpenSSH" in error.detail


@pytest.mark.parametrize("scheme", ["socks5", "socks4"])
async def test_an_http_proxy(tinyproxy: str, scheme: str) -> None:
    """tinyproxy says nothing to SOCKS; asked in HTTP it says what it is."""
    check(await refusal(f"{scheme}://{tinyproxy}", timing=HASTY), "http")


async def test_squid(squid: Callable[[int], str]) -> None:
    """Squid waits for more, too, until it is asked in HTTP."""
    address = squid(25)
    schemes = ("socks5", "socks4")

    for error in await asyncio.gather(
        *(refusal(f"{scheme}://{address}", timing=HASTY) for scheme in schemes)
    ):
        check(error, "http")


async def test_diagnosis_of_an_http_proxy(tinyproxy: str) -> None:
    """`diagnose` finds the same."""
    proxy = SocksProxy.from_url(f"socks5://{tinyproxy}")
    hops = await SocksProvider(proxy, timing=HASTY).diagnose(ANY)

    failed = next(hop for hop in hops if hop.ok is False)
    assert (failed.name, failed.code) == ("greeting", 10050)
    assert failed.hint == ROWS["http"].hint
