"""A proxy may answer any bytes; what comes of them is a listener or a `BindError`, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy.local import free_port
from bindpost.proxy.winsock.channel import Timing
from bindpost.proxy.winsock.client_config import ClientConfig, parse_wspcfg
from bindpost.proxy.winsock.codec import Packet
from bindpost.proxy.winsock.messages import (
    Acknowledgement,
    AddressInUse,
    Authentication,
    BindAck,
    BindInfo,
    HelloAck,
    Message,
    Refusal,
    TcpBindAck,
)
from bindpost.proxy.winsock.ntlm import Credentials
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.wire import Address

SERVER_ID: Final = b"srvr"
TIMING: Final = Timing(tries=2, interval=0.005, deadline=0.1)


def messages(port: int) -> list[Message]:
    """Give what a proxy may say; the first four are right, in this order."""
    outside = Address("127.0.0.2", port)
    return [
        HelloAck(control=outside),
        Acknowledgement(),
        BindAck(bind_id=b"bind", external=outside),
        TcpBindAck(bind_id=b"bind", external=outside),
        Acknowledgement(sub_code=0x11),
        Authentication(sub_code=0x14, token=b"NTLMSSP\0\2\0\0\0" + bytes(40)),
        Authentication(sub_code=0x15),
        BindInfo(bind_id=b"bind", peer=Address("192.0.2.1", 9), internal_port=7, external=outside),
        AddressInUse(),
        Refusal(operation=4),
    ]


RIGHT: Final = 4


@dataclass(frozen=True)
class Answer:
    """One of the messages, with a number; bytes from `at` on replaced, and cut."""

    which: int
    sequence: int
    at: int = 0
    noise: bytes = b""
    cut: int = 2048

    def dumps(self, port: int) -> bytes:
        """Give the datagram."""
        data = Packet(
            message=messages(port)[self.which], server_id=SERVER_ID, sequence=self.sequence
        ).dumps()
        return (data[: self.at] + self.noise + data[self.at + len(self.noise) :])[: self.cut]


WHICH: Final = st.integers(0, len(messages(0)) - 1)
SEQUENCES: Final = st.integers(0, 5)
ANSWERS: Final = st.builds(Answer, WHICH, SEQUENCES) | st.builds(
    Answer, WHICH, SEQUENCES, st.integers(0, 230), st.binary(max_size=8), st.integers(0, 300)
)


@st.composite
def scripts(draw: st.DrawFn) -> list[list[Answer]]:
    """What a proxy says for each datagram that comes: some right answers, then any."""
    right = [[Answer(step, step)] for step in range(draw(st.integers(0, RIGHT)))]
    return right + draw(st.lists(st.lists(ANSWERS, max_size=3), max_size=5))


class Babbler(asyncio.DatagramProtocol):
    """Says the next of its answers for each datagram, whatever it is."""

    def __init__(self, script: Sequence[list[Answer]], port: int) -> None:
        self._script = iter(script)
        self._port = port

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Take the socket; it is a datagram transport, whatever the base class says."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer."""
        for answer in next(self._script, ()):
            self._transport.sendto(answer.dumps(self._port), addr)


async def bind_through(script: Sequence[list[Answer]], login: bool) -> None:
    """Bind through a proxy that says this; only a `BindError` may come of it."""
    loop = asyncio.get_running_loop()
    broken: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: broken.append(context))
    port = free_port()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Babbler(script, port), local_addr=("127.0.0.1", 0)
    )
    text = f"[msexcimc]\nServerBindTcpPorts={port}\nForceCredentials=1\nPersistent=1\n"
    config = ClientConfig(
        servers=("127.0.0.1",),
        control_port=transport.get_extra_info("sockname")[1],
        wspcfg=parse_wspcfg(text, "wspcfg.ini")[0],
    )
    credentials = Credentials(user="me", password="secret") if login else None
    provider = WinsockProvider(config, credentials=credentials, timing=TIMING)
    with suppress(BindError):
        listener = await provider.create_server(asyncio.Protocol, Endpoint("127.0.0.1", port))
        listener.close()
        await listener.wait_closed()
    transport.close()
    await asyncio.sleep(0)

    assert broken == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


@settings(max_examples=80, deadline=None)
@example(script=[[Answer(step, step)] for step in range(RIGHT)], login=False)
@given(script=scripts(), login=st.booleans())
def test_any_answers_make_a_listener_or_a_bind_error(
    script: list[list[Answer]], login: bool
) -> None:
    """Whatever a proxy says, in whatever order, nothing is raised but `BindError`, or left open."""
    asyncio.run(bind_through(script, login))
