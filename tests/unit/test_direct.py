"""`direct:` beyond what all providers share: names, ports, Unix sockets' files, and hints."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy import advice, local, wsa
from bindpost.proxy.binding import Address, bind_tcp, is_stale, resolve
from bindpost.proxy.direct import DirectProvider, listen_on
from bindpost.proxy.matrix import DIRECT
from bindpost.proxy.provider import BindProvider, Listener

NOT_OURS = "203.0.113.7"
"""An address for documentation (RFC 5737), which no machine has."""
UNPRIVILEGED = """
import asyncio, json, os, sys
from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy import advice, local
from bindpost.proxy.direct import DirectProvider

async def codes(text):
    endpoint, provider, bound = Endpoint.parse(text), DirectProvider(), None
    foreseen = [hop.code for hop in await provider.diagnose(endpoint)][-1]
    try:
        await provider.create_server(asyncio.Protocol, endpoint)
    except BindError as error:
        bound = error.code
    return [foreseen, bound]

async def main(texts):
    return [await codes(text) for text in texts]

asyncio.run(main(["127.0.0.1:0"]))  # imports what nobody may not be allowed to read
if os.geteuid() == 0:
    os.setgroups([])
    os.setuid(65534)
print(json.dumps(asyncio.run(main(sys.argv[1:]))))
"""
"""Prints, for each endpoint, the code that diagnosis foresees and the one that a bind gives."""
NO_NAME = "a" * 64 + ".invalid"
"""Too long for a label, so no resolver is asked."""


@asynccontextmanager
async def bound(endpoint: str) -> AsyncIterator[Listener]:
    """Bind an endpoint, and close it again."""
    listener = await DirectProvider().create_server(asyncio.Protocol, Endpoint.parse(endpoint))
    try:
        yield listener
    finally:
        listener.close()
        await listener.wait_closed()


async def refused(endpoint: str) -> BindError:
    """Give the error of a bind that fails."""
    with pytest.raises(BindError) as caught:
        await DirectProvider().create_server(asyncio.Protocol, Endpoint.parse(endpoint))
    return caught.value


@pytest.fixture
def taken() -> Iterator[int]:
    """Give a port of 127.0.0.1 that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def test_the_provider_is_what_the_protocols_ask_for() -> None:
    """Type checkers and readers see that both protocols are met."""
    provider: BindProvider = DirectProvider()
    listener: Listener = listen_on([])

    assert provider.url == "direct:"
    assert listener.capacity is None


# Addresses and ports


async def test_an_address_needs_no_resolver() -> None:
    """An address stands for itself."""
    assert await resolve("127.0.0.1", 25) == [Address(socket.AF_INET, ("127.0.0.1", 25))]


async def test_a_name_gives_each_address_once() -> None:
    """localhost is bound on whatever it stands for, however often the hosts file says so."""
    addresses = await resolve("localhost", 0)

    assert Address(socket.AF_INET, ("127.0.0.1", 0)) in addresses
    assert len(set(addresses)) == len(addresses)


def test_several_addresses_share_the_free_port() -> None:
    """Port 0 is the same number on every address."""
    addresses = [Address(socket.AF_INET, (f"127.0.0.{n}", 0)) for n in range(1, 5)]

    sockets = bind_tcp(addresses, 0)

    assert len({sock.getsockname()[1] for sock in sockets}) == 1
    for sock in sockets:
        sock.close()


def test_all_addresses_or_none(taken: int) -> None:
    """When one of several addresses is taken, the others are let go."""
    addresses = [Address(socket.AF_INET, (host, taken)) for host in ("127.0.0.2", "127.0.0.1")]

    with pytest.raises(OSError, match="in use"):
        bind_tcp(addresses, taken)

    socket.create_server(("127.0.0.2", taken)).close()


def test_an_address_that_is_not_here_is_left_out_of_several() -> None:
    """A name that stands for more than this machine has is bound on the rest."""
    sockets = bind_tcp([Address(socket.AF_INET, (host, 0)) for host in (NOT_OURS, "127.0.0.1")], 0)

    assert [sock.getsockname()[0] for sock in sockets] == ["127.0.0.1"]
    sockets[0].close()


def test_an_ipv6_socket_leaves_ipv4_alone() -> None:
    """[::] and 0.0.0.0 can be bound side by side: an IPv6 socket is for IPv6 only."""
    (sock,) = bind_tcp([Address(socket.AF_INET6, ("::1", 0, 0, 0))], 0)

    assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    sock.close()


# Failures


@pytest.mark.meets("direct:", "in-use")
async def test_a_taken_port_names_who_holds_it(taken: int) -> None:
    """10048, and the hint names the process, which is this one."""
    error = await refused(f"127.0.0.1:{taken}")

    assert (error.code, error.hop, error.path) == (wsa.EADDRINUSE, "bind", "direct:")
    assert error.detail == os.strerror(error.__cause__.errno)  # type: ignore[union-attr]
    assert f"(pid {os.getpid()}) listens there: stop it, or choose another port" in error.hint


async def test_who_has_the_port_at_another_address_is_not_named() -> None:
    """It is not in the way, so to stop it would be no cure."""
    port = local.free_port("127.0.0.1", "127.0.0.2")
    with socket.create_server(("127.0.0.1", port)):
        with socket.create_server(("127.0.0.2", port)) as theirs:
            other = await asyncio.create_subprocess_exec("sleep", "60", pass_fds=[theirs.fileno()])
        try:
            error = await refused(f"127.0.0.1:{port}")
            named = await refused(f"127.0.0.2:{port}")
        finally:
            other.kill()
            await other.wait()

    assert f"(pid {os.getpid()}) listens there" in error.hint
    assert f"sleep (pid {other.pid}) listens there" in named.hint


@pytest.mark.meets("direct:", "not-local")
async def test_a_foreign_address_lists_our_own() -> None:
    """10049, and the hint lists the addresses that there are."""
    error = await refused(f"{NOT_OURS}:0")

    assert error.code == wsa.EADDRNOTAVAIL
    assert "(127.0.0.1" in error.hint


@pytest.mark.meets("direct:", "unresolvable")
async def test_a_name_that_is_none_is_a_local_failure() -> None:
    """11001 at the hop `resolve`."""
    error = await refused(f"{NO_NAME}:0")

    assert (error.code, error.hop) == (wsa.HOST_NOT_FOUND, "resolve")
    assert "hosts file" in error.hint


@pytest.mark.parametrize(
    ("code", "endpoint", "words"),
    [
        (wsa.EACCES, "127.0.0.1:25", "use a port above 1023"),
        (wsa.EACCES, "127.0.0.1:2500", "a security policy"),
        (wsa.EAFNOSUPPORT, "[::1]:25", "choose an IPv4 address"),
        (wsa.UNKNOWN, "127.0.0.1:25", "bindpost check"),
        (wsa.EACCES, "unix:/run/s", "let this user write to the folder /run"),
        (wsa.UNKNOWN, "unix:/run/s", "choose another path"),
        (wsa.EADDRINUSE, "127.0.0.1:0", "another process listens there"),
    ],
)
def test_hints(code: int, endpoint: str, words: str) -> None:
    """A failure comes with something to do."""
    assert words in advice.hint(code, Endpoint.parse(endpoint))


# Unix sockets


async def test_only_this_user_may_connect(tmp_path: Path) -> None:
    """The socket's file has mode 0600."""
    async with bound(f"unix:{tmp_path}/s"):
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600


async def test_the_file_goes_with_the_listener(tmp_path: Path) -> None:
    """A closed listener leaves no file."""
    async with bound(f"unix:{tmp_path}/s"):
        pass

    assert os.listdir(tmp_path) == []


async def test_a_successor_s_file_is_left_alone(tmp_path: Path) -> None:
    """What somebody else put into the file's place is not ours to remove."""
    async with bound(f"unix:{tmp_path}/s"):
        (tmp_path / "s").unlink()
        (tmp_path / "s").write_text("not ours")

    assert (tmp_path / "s").read_text() == "not ours"


async def test_a_dead_socket_is_replaced(tmp_path: Path) -> None:
    """A file that a killed server left behind is in nobody's way."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))

    assert is_stale(str(tmp_path / "s"))
    async with bound(f"unix:{tmp_path}/s") as listener:
        assert listener.addresses == (Endpoint(path=f"{tmp_path}/s"),)


@pytest.mark.meets("direct:", "unix-in-use")
async def test_a_live_socket_is_not_replaced(tmp_path: Path) -> None:
    """10048 when somebody listens there."""
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(tmp_path / "s"))
        live.listen()
        error = await refused(f"unix:{tmp_path}/s")

    assert error.code == wsa.EADDRINUSE
    assert "a socket of a running program" in error.hint


@pytest.mark.meets("direct:", "unix-in-use", "unix-no-folder", "unix-too-long", "unix-other")
@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("file", wsa.EADDRINUSE, "a file that is no socket is there"),
        ("nowhere/s", wsa.EADDRNOTAVAIL, "make the folder"),
        ("x" * 120, wsa.ENAMETOOLONG, "at most 107 bytes"),
        ("zero\0", wsa.EINVAL, "choose another path"),
    ],
)
async def test_paths_that_cannot_be_bound(tmp_path: Path, name: str, code: int, words: str) -> None:
    """Each has its code, and something to do."""
    (tmp_path / "file").write_text("")

    error = await refused(f"unix:{tmp_path}/{name}")

    assert error.code == code
    assert words in error.hint


@pytest.mark.skipif(sys.platform != "linux", reason="the matrix has Linux's words")
@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("in-use", errno.EADDRINUSE),
        ("privileged", errno.EACCES),
        ("not-local", errno.EADDRNOTAVAIL),
        ("no-family", errno.EAFNOSUPPORT),
        ("unix-in-use", errno.EADDRINUSE),
        ("unix-forbidden", errno.EACCES),
        ("unix-no-folder", errno.ENOENT),
        ("unix-too-long", errno.ENAMETOOLONG),
    ],
)
def test_the_matrix_has_the_systems_words(key: str, number: int) -> None:
    """What the documentation shows as a reason is what the system says."""
    assert DIRECT[key].reason == os.strerror(number)


async def test_a_failure_to_serve_leaves_nothing(tmp_path: Path) -> None:
    """When asyncio refuses a socket, all of them are closed and the file is gone."""
    sockets = [socket.socket(socket.AF_UNIX), socket.socket(type=socket.SOCK_DGRAM)]
    sockets[0].bind(str(tmp_path / "s"))
    listener = listen_on(sockets)

    with pytest.raises(ValueError, match="Stream Socket"):
        await listener.serve(asyncio.Protocol, None)

    assert os.listdir(tmp_path) == []
    assert [sock.fileno() for sock in sockets] == [-1, -1]


# Diagnosis


async def walk(endpoint: str) -> list[tuple[str, bool | None, int | None]]:
    """Give name, verdict and code of each hop."""
    hops = await DirectProvider().diagnose(Endpoint.parse(endpoint))
    return [(hop.name, hop.ok, hop.code) for hop in hops]


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("127.0.0.1:0", [("resolve", True, None), ("bind", True, None)]),
        (f"{NOT_OURS}:0", [("resolve", True, None), ("bind", False, wsa.EADDRNOTAVAIL)]),
        (f"{NO_NAME}:0", [("resolve", False, wsa.HOST_NOT_FOUND)]),
    ],
)
async def test_diagnosis(
    endpoint: str, expected: list[tuple[str, bool | None, int | None]]
) -> None:
    """The walk says what a bind would meet."""
    assert await walk(endpoint) == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_diagnosis_sees_who_listens(taken: int, host: str) -> None:
    """A taken port is seen, from the wildcard too."""
    assert (await walk(f"{host}:{taken}"))[-1] == ("bind", False, wsa.EADDRINUSE)


async def test_diagnosis_sees_an_ipv4_listener_on_an_ipv6_socket() -> None:
    """A socket for both families takes the IPv4 port, though /proc lists it under IPv6."""
    with socket.socket(socket.AF_INET6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::ffff:127.0.0.1", 0))
        sock.listen()

        hops = await walk(f"127.0.0.1:{sock.getsockname()[1]}")

    assert hops[-1] == ("bind", False, wsa.EADDRINUSE)


@pytest.mark.parametrize(
    ("address", "listening", "verdict"),
    [
        ("127.0.0.1", [], False),
        ("127.0.0.1", ["127.0.0.2", "::1"], False),
        ("127.0.0.1", ["127.0.0.1"], True),
        ("127.0.0.1", ["0.0.0.0"], True),
        ("0.0.0.0", ["127.0.0.1"], True),
        ("::", ["127.0.0.1"], False),
        ("::", ["::1"], True),
        ("127.0.0.1", ["::"], None),
        ("127.0.0.1", ["::", "127.0.0.1"], True),
    ],
)
def test_which_addresses_clash(address: str, listening: list[str], verdict: bool | None) -> None:
    """Equal addresses clash, and wildcards with all of their family; [::] may with IPv4, too."""
    assert advice.clashes(ip_address(address), map(ip_address, listening)) is verdict


async def test_an_address_that_would_be_left_out_is_no_failure() -> None:
    """Of several addresses one that isn't here is passed over."""
    addresses = [Address(socket.AF_INET, (host, 0)) for host in (NOT_OURS, "127.0.0.1")]

    hops = advice.foresee(Endpoint.parse("name:0"), addresses)

    assert [hop.ok for hop in hops] == [None, True]
    assert hops[0].detail == "not an address of this machine; left out"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("free", ("bind", True, None)),
        ("file", ("bind", False, wsa.EADDRINUSE)),
        ("nowhere/s", ("bind", False, wsa.EADDRNOTAVAIL)),
        ("file/s", ("bind", False, wsa.EADDRNOTAVAIL)),
        ("x" * 120, ("bind", False, wsa.ENAMETOOLONG)),
        ("dead", ("bind", True, None)),
    ],
)
async def test_diagnosis_of_unix_sockets(
    tmp_path: Path, name: str, expected: tuple[str, bool | None, int | None]
) -> None:
    """The path of a socket is looked at, too."""
    (tmp_path / "file").write_text("")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))

    assert await walk(f"unix:{tmp_path}/{name}") == [expected]


@pytest.mark.meets("direct:", "unix-forbidden")
def test_diagnosis_knows_what_a_user_may_do(tmp_path: Path) -> None:
    """Without rights, diagnosis and bind agree on low ports and on folders of others."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)

    program = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, "127.0.0.1:1", f"unix:{closed}/s"],
        capture_output=True,
        text=True,
        check=True,
    )

    low_port, folder = json.loads(program.stdout)
    assert low_port[0] == low_port[1]
    assert folder == [wsa.EACCES, wsa.EACCES]


def test_own_addresses_have_loopback() -> None:
    """This machine's addresses are known, loopback first."""
    assert str(local.own_addresses()[0]) == "127.0.0.1"


def test_anybody_may_bind_a_high_port() -> None:
    """No privilege is needed from 1024 on, nor for any free port."""
    assert local.may_bind(1025)
    assert local.may_bind(0)
