"""Where a bind goes by the client's files, and what a diagnosis says of it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bindpost.config.model import WinsockPath
from bindpost.proxy.winsock.client_config import ClientConfig
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.standin import WinsockProxyServer

from .bench import HERE, INTERNAL, PATIENT, Log, connected, name_of, provider_for, refusal

# Where a bind goes


@dataclass
class Lab:
    """A `[path.*]` table and its files, which lead to a socket in the proxy's place."""

    folder: Path
    port: int

    def provider(
        self, *, wspcfg: str = "", mspclnt: str = "", enabled: bool = True
    ) -> WinsockProvider:
        """Write the files and build the provider as the settings do."""
        (self.folder / "wspcfg.ini").write_text(wspcfg)
        (self.folder / "mspclnt.ini").write_text(
            f"[Servers Ip Addresses]\nAddr1={INTERNAL}\n[Common]\nPort={self.port}\n{mspclnt}"
        )
        table = WinsockPath(
            mspclnt="mspclnt.ini", wspcfg="wspcfg.ini", enabled=enabled, tries=1, interval=0.05
        )
        return WinsockProvider.from_table("lab", table, self.folder)


@pytest.fixture
def lab(tmp_path: Path, decoy: socket.socket) -> Lab:
    """Files that lead to the decoy."""
    return Lab(tmp_path, decoy.getsockname()[1])


ALL_REMOTE = "[MSEXCIMC]\nServerBindTcpPorts=0-65535\n"

SWITCHED_OFF: dict[str, Callable[[Lab], WinsockProvider]] = {
    "application": lambda lab: lab.provider(wspcfg="[msexcimc]\nDisable=1\n"),
    "common": lambda lab: lab.provider(
        wspcfg=ALL_REMOTE, mspclnt="[Common Configuration]\nDisable=1\n"
    ),
    "local-ports": lambda lab: lab.provider(
        wspcfg="[msexcimc]\nLocalBindTcpPorts=0\nServerBindTcpPorts=0-65535\n"
    ),
    "client": lambda lab: lab.provider(wspcfg=ALL_REMOTE, enabled=False),
}


@pytest.mark.parametrize("cure", SWITCHED_OFF)
async def test_local_bind_sends_nothing_to_the_proxy(
    lab: Lab, decoy: socket.socket, log: Log, cure: str
) -> None:
    """What switches the client off makes a bind that works, and not one datagram is sent."""
    provider = SWITCHED_OFF[cure](lab)

    hops = await provider.diagnose(HERE)
    listener = await provider.create_server(log.session, HERE)
    async with connected(listener.addresses[0]) as (reader, writer):
        assert await reader.readline() == f"{name_of(writer)}\n".encode()
    listener.close()
    await listener.wait_closed()

    assert all(hop.ok for hop in hops)
    with pytest.raises(BlockingIOError):
        decoy.recv(2048)


async def test_decoy_sees_what_a_remote_bind_sends(
    lab: Lab, decoy: socket.socket, log: Log
) -> None:
    """The same place does get datagrams when the files send the bind to the proxy."""
    error = await refusal(lab.provider(wspcfg=ALL_REMOTE), log)

    assert error.code == 10050
    assert len(decoy.recv(2048)) >= 172


async def test_undecided_bind_asks_the_server_first(
    lab: Lab, decoy: socket.socket, log: Log
) -> None:
    """An enabled client without a rule for the port fails with a dead server: KB Q203116."""
    error = await refusal(lab.provider(), log)

    assert (error.code, error.hop) == (10050, "greeting")


async def test_undecided_bind_is_local_when_the_server_answers(
    proxy: WinsockProxyServer, log: Log
) -> None:
    """With a server that answers, an undecided bind is made here and the session is ended."""
    provider = WinsockProvider(
        ClientConfig(servers=(proxy.address.host,), control_port=proxy.address.port)
    )

    listener = await provider.create_server(log.session, HERE)
    await proxy.idle()

    assert [address.host for address in listener.addresses] == [INTERNAL]
    listener.close()
    await listener.wait_closed()


# Diagnosis


async def test_diagnosis_of_a_path_that_works(proxy: WinsockProxyServer) -> None:
    """Every hop is fine and timed, and nothing was bound."""
    hops = await provider_for(proxy).diagnose(HERE)
    await proxy.idle()

    assert [hop.name for hop in hops] == [
        "decision",
        "resolve",
        "greeting",
        "resolve",
        "bind",
        "serve",
    ]
    assert all(hop.ok for hop in hops)
    assert hops[2].milliseconds > 0
    assert proxy.url in hops[-1].detail


async def test_diagnosis_names_the_event(lab: Lab) -> None:
    """A dead proxy is a failed hop with 10050 and a cure; `serve` would log 4007."""
    hops = await lab.provider().diagnose(HERE)

    assert [(hop.name, hop.ok, hop.code) for hop in hops] == [
        ("decision", True, None),
        ("resolve", True, None),
        ("greeting", False, 10050),
        ("serve", None, None),
    ]
    assert "Q203116" in hops[2].hint
    assert hops[-1].detail == "would log event 4007 with 10050 (WSAENETDOWN)"


async def test_diagnosis_forgives_a_server_that_is_not_needed(
    proxy: WinsockProxyServer,
) -> None:
    """A first server that fails is no failure when the second one works."""
    servers = ("proxy.invalid", proxy.address.host)
    config = ClientConfig(servers=servers, control_port=proxy.address.port)

    hops = await WinsockProvider(config, timing=PATIENT).diagnose(HERE)

    assert [(hop.ok, hop.code) for hop in hops[1:4]] == [(None, None), (True, None), (True, None)]
    assert hops[-1].ok
