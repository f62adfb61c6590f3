"""Sockets that were handed over: which are taken, how often, and what is wrong with others."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError, ConfigError
from bindpost.proxy import wsa
from bindpost.proxy.inherited import InheritedProvider
from bindpost.proxy.provider import BindProvider, Listener, ListenerState
from bindpost.proxy.socket_listener import SocketListener

FIRST = 700
"""The descriptor that the tests begin with, in place of 3."""
LABEL = Endpoint.parse("127.0.0.1:1025")

HandOver = Callable[..., dict[str, str]]


@pytest.fixture
def hand_over() -> Iterator[HandOver]:
    """Put descriptors where a service manager does, and give the variables that tell of them."""
    with ExitStack() as stack:

        def place(*files: socket.socket | int, names: str | None = None) -> dict[str, str]:
            for number, file in enumerate(files, FIRST):
                os.dup2(file if isinstance(file, int) else file.fileno(), number)
                stack.callback(os.close, number)
            environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(files))}
            return environ if names is None else {**environ, "LISTEN_FDNAMES": names}

        yield place


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Three listening sockets on free ports."""
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]


def provider(environ: Mapping[str, str], **options: object) -> InheritedProvider:
    """Make a provider for the tests' descriptors."""
    return InheritedProvider(environ, first=FIRST, **options)  # type: ignore[arg-type]  # by name


async def ports(made: InheritedProvider) -> list[int]:
    """Give the ports that a provider listens on."""
    listener = await made.create_server(asyncio.Protocol, LABEL)
    listener.close()
    await listener.wait_closed()
    return [address.port for address in listener.addresses]


async def refused(made: InheritedProvider) -> BindError:
    """Give the error of a bind that fails; it has everything that event 4007 wants."""
    with pytest.raises(BindError) as caught:
        await made.create_server(asyncio.Protocol, LABEL)
    error = caught.value
    assert (error.endpoint, error.path, error.hop) == (str(LABEL), made.url, "bind")
    assert error.hint
    return error


def port_of(sock: socket.socket) -> int:
    """Give a socket's port."""
    port: int = sock.getsockname()[1]
    return port


def test_it_is_what_the_protocols_ask_for() -> None:
    """Type checkers and readers see that both protocols are met."""
    made: BindProvider = InheritedProvider({})
    listener: Listener = SocketListener([], lambda: None)

    assert made.url == "inherit:"
    assert listener.capacity is None


# Which sockets


async def test_all_sockets(hand_over: HandOver, sockets: list[socket.socket]) -> None:
    """`inherit:` takes all, in order, and tells their real addresses; the endpoint is a label."""
    made = provider(hand_over(*sockets))

    assert await ports(made) == [port_of(sock) for sock in sockets]


async def test_sockets_of_a_name(hand_over: HandOver, sockets: list[socket.socket]) -> None:
    """`inherit:NAME` takes those of that name."""
    made = provider(hand_over(*sockets, names="smtp:tls:smtp"), name="smtp")

    assert await ports(made) == [port_of(sockets[0]), port_of(sockets[2])]


async def test_sockets_that_others_name(hand_over: HandOver, sockets: list[socket.socket]) -> None:
    """`inherit:` leaves those alone that another listener names."""
    made = provider(hand_over(*sockets, names="smtp:tls:smtp"), others=["tls"])

    assert await ports(made) == [port_of(sockets[0]), port_of(sockets[2])]


async def test_sockets_without_names(hand_over: HandOver, sockets: list[socket.socket]) -> None:
    """A socket that nobody named is called `unknown`, as systemd calls it."""
    made = provider(hand_over(*sockets, names="smtp:"), name="unknown")

    assert await ports(made) == [port_of(sockets[1]), port_of(sockets[2])]


@pytest.mark.meets("inherit:", "no-such-name")
@pytest.mark.parametrize("made", [{"name": "web"}, {"others": ["smtp"]}])
async def test_no_socket_of_the_name(
    hand_over: HandOver, sockets: list[socket.socket], made: dict[str, object]
) -> None:
    """The error tells what there is instead."""
    error = await refused(provider(hand_over(sockets[0], names="smtp"), **made))

    assert error.code == wsa.EINVAL
    assert "only smtp" in error.detail
    assert "FileDescriptorName" in error.hint


async def test_abstract_sockets(hand_over: HandOver) -> None:
    """An abstract Unix socket is told as systemd writes it."""
    name = f"bindpost-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"\0{name}")
        sock.listen()
        listener = await provider(hand_over(sock)).create_server(asyncio.Protocol, LABEL)
        listener.close()

        assert listener.addresses == (Endpoint(path=f"@{name}"),)


async def test_a_unix_sockets_file_stays(hand_over: HandOver, tmp_path: Path) -> None:
    """The file is its owner's: closing the listener removes nothing."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        sock.listen()
        listener = await provider(hand_over(sock)).create_server(asyncio.Protocol, LABEL)
        listener.close()
        await listener.wait_closed()

    assert (tmp_path / "s").is_socket()


# How often


async def test_peers_wait_for_the_next_bind(
    hand_over: HandOver, sockets: list[socket.socket]
) -> None:
    """A peer that comes while nobody listens is served by the next listener, as after SIGHUP."""
    made = provider(hand_over(sockets[0]))
    await ports(made)
    reader, writer = await asyncio.open_connection(*sockets[0].getsockname())

    listener = await made.create_server(Greeting, LABEL)

    assert await reader.read() == b"220 "
    listener.close()
    writer.close()
    await writer.wait_closed()


class Greeting(asyncio.Protocol):
    """Greets and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"220 ")
        transport.close()


@pytest.mark.meets("inherit:", "twice")
async def test_twice_at_once(hand_over: HandOver, sockets: list[socket.socket]) -> None:
    """While a listener has the sockets, a second bind gets 10048."""
    made = provider(hand_over(sockets[0]))
    listener = await made.create_server(asyncio.Protocol, LABEL)

    error = await refused(made)
    listener.close()

    assert error.code == wsa.EADDRINUSE
    assert "inherit:NAME" in error.hint
    assert listener.state is ListenerState.CLOSED


def test_children_do_not_inherit(hand_over: HandOver, sockets: list[socket.socket]) -> None:
    """The descriptors are closed in programs that this one starts."""
    environ = hand_over(sockets[0])
    before = os.get_inheritable(FIRST)
    provider(environ)

    assert (before, os.get_inheritable(FIRST)) == (True, False)


# What is wrong


@pytest.mark.meets("inherit:", "nothing-handed", "another-process", "no-number")
@pytest.mark.parametrize(
    ("environ", "said", "advice"),
    [
        ({}, "LISTEN_FDS is not set", "systemd-socket-activate"),
        ({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, "are for process 1,", "exec"),
        ({"LISTEN_FDS": "1"}, "are for process (none)", "exec"),
        ({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"}, '"0"', "systemd-socket-activate"),
        ({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"}, '"many"', "socket unit"),
        ({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "9999999"}, '"9999999"', "socket unit"),
        ({"LISTEN_PID": str(os.getpid())}, '""', "socket unit"),
    ],
)
async def test_nothing_for_us(environ: dict[str, str], said: str, advice: str) -> None:
    """Without sockets for this process the error is 10022, and says what the variables say."""
    error = await refused(provider(environ))

    assert error.code == wsa.EINVAL
    assert said in error.detail
    assert advice in error.hint


@pytest.mark.meets("inherit:", "unusable")
async def test_no_socket_at_all(hand_over: HandOver, tmp_path: Path) -> None:
    """A descriptor of a file gives 10038."""
    with (tmp_path / "file").open("w") as file:
        error = await refused(provider(hand_over(file.fileno())))

    assert error.code == 10038
    assert f"descriptor {FIRST}" in error.detail


@pytest.mark.meets("inherit:", "unusable")
async def test_a_closed_descriptor(hand_over: HandOver) -> None:
    """A descriptor that isn't open gives 10009."""
    error = await refused(provider({**hand_over(), "LISTEN_FDS": "1"}))

    assert error.code == 10009


@pytest.mark.meets("inherit:", "unusable")
async def test_a_datagram_socket(hand_over: HandOver) -> None:
    """A UDP socket gives 10045."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        error = await refused(provider(hand_over(sock)))

    assert error.code == 10045
    assert "stream" in error.detail


@pytest.mark.meets("inherit:", "unusable")
async def test_a_connection(hand_over: HandOver) -> None:
    """A connected socket, which Accept=yes hands over, gives 10022 with the cure."""
    one, other = socket.socketpair()
    with one, other:
        error = await refused(provider(hand_over(one)))

    assert error.code == wsa.EINVAL
    assert "does not listen" in error.detail
    assert "Accept=no" in error.hint


async def test_one_bad_among_good_ones(hand_over: HandOver, sockets: list[socket.socket]) -> None:
    """All or nothing: the good ones can be taken afterwards."""
    one, other = socket.socketpair()
    with one, other:
        environ = hand_over(sockets[0], one, names="smtp:bad")
        await refused(provider(environ))

        assert await ports(provider(environ, name="smtp")) == [port_of(sockets[0])]


# The bind path's text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("inherit:", "inherit:"),
        ("INHERIT:smtp", "inherit:smtp"),
        ("inherit:a.socket", "inherit:a.socket"),
    ],
)
def test_urls(url: str, shown: str) -> None:
    """The scheme has no case, the name has."""
    assert InheritedProvider.from_url(url, {}).url == shown


@pytest.mark.parametrize("url", ["inherit://smtp", "inherit:a:b", "inherit:/run/s"])
def test_bad_urls(url: str) -> None:
    """A host, a path or two names are errors that tell the form."""
    with pytest.raises(ConfigError) as caught:
        InheritedProvider.from_url(url, {})

    assert "inherit:NAME" in caught.value.hint


async def test_names_of_other_listeners(hand_over: HandOver, sockets: list[socket.socket]) -> None:
    """From the bind paths of all listeners follows what is left for the one without a name."""
    hops = await InheritedProvider.from_url(
        "inherit:",
        hand_over(*sockets, names="smtp:tls:lmtp"),
        listeners=["inherit:tls", "direct:", "inherit:", "Inherit:lmtp"],
    ).diagnose(LABEL)

    assert "got smtp (descriptor 3)" in hops[0].detail


@pytest.mark.parametrize("url", ["inherit:", "inherit:smtp"])
def test_two_listeners_for_the_same_sockets(url: str) -> None:
    """Two listeners with one bind path are refused before anything is bound."""
    with pytest.raises(ConfigError, match="two listeners"):
        InheritedProvider.from_url(url, {}, listeners=[url, "direct:", url])


# Diagnosis


async def test_diagnosis(hand_over: HandOver, sockets: list[socket.socket]) -> None:
    """It tells what was handed over, under which names, and what of it listens where."""
    one, other = socket.socketpair()
    with one, other:
        made = provider(hand_over(sockets[0], one, names="smtp:odd"))
        handover, good, bad = await made.diagnose(LABEL)

    assert handover.detail == f"got smtp (descriptor {FIRST}), odd (descriptor {FIRST + 1})"
    assert (good.ok, good.target) == (True, f"127.0.0.1:{port_of(sockets[0])}")
    assert (bad.ok, bad.code) == (False, wsa.EINVAL)
    assert bad.hint


async def test_diagnosis_of_nothing() -> None:
    """Without sockets it is one hop, with the code of event 4007 and the cure."""
    (hop,) = await provider({}).diagnose(LABEL)

    assert (hop.ok, hop.code) == (False, wsa.EINVAL)
    assert "systemd-socket-activate" in hop.hint
