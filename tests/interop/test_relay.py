"""Relaying through real proxies, Dante, microsocks, tinyproxy and squid, to a bindpost behind."""

from __future__ import annotations

import asyncio
import os
import smtplib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bindpost import events
from bindpost.config.model import Listener, Relay, Settings
from bindpost.events import EventType
from bindpost.proxy.local import free_port
from bindpost.server.app import Bindpost
from bindpost.server.message.model import (
    Envelope,
    Message,
    Recipient,
    SessionFacts,
    new_id,
    utc_now,
)
from bindpost.server.relay import Relay as RunningRelay
from bindpost.server.relay import Route, relaying
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow
from bindpost.testing import Serve
from bindpost.testing.logged import Line, heard_by
from bindpost.testing.programs import running

PATIENCE = 20.0
"""Seconds for a program to start or to end, and for an event to come."""
RAW = (
    b"Subject: through a proxy\r\n\r\n.dot\r\n..\r\n\xe9 8bit\r\nbare\nLF\r\n"
    + b"x" * 70_000
    + b"\r\n"
)
DANTE = """\
logoutput: stderr
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
clientmethod: none
socksmethod: none
{users}client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
socks {verdict} {{ from: 127.0.0.0/8 to: 127.0.0.0/8
             command: connect
             protocol: tcp }}
"""
TINYPROXY = """\
Port {port}
Listen 127.0.0.1
Timeout 30
LogFile "{folder}/tinyproxy.log"
BasicAuth me s3cret
ConnectPort {allowed}
"""

Program = Callable[[str], Path]
Start = Callable[..., str]


class Log:
    """The events that were logged."""

    def __init__(self) -> None:
        self.seen: list[tuple[EventType | str, Mapping[str, Any]]] = []
        self._news = asyncio.Event()

    def __call__(self, fields: Line) -> None:
        """Take an event."""
        del fields["log_level"]
        self.seen.append((fields.pop("event"), fields))
        self._news.set()

    async def wait_for(self, event: EventType) -> Mapping[str, Any]:
        """Give the fields of the first event of a kind, past or to come."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for seen, fields in self.seen:
                    if seen is event:
                        return fields
                self._news.clear()
                await self._news.wait()


@pytest.fixture
def log() -> Iterator[Log]:
    """Take all events."""
    log = Log()
    with heard_by(log):
        yield log


@contextmanager
def dante(program: Program, folder: Path, *, verdict: str = "pass") -> Iterator[int]:
    """Run a Dante that lets everybody, or nobody, connect through it."""
    port = free_port()
    users = "user.privileged: root\nuser.unprivileged: nobody\n" if os.geteuid() == 0 else ""
    config = folder / "danted.conf"
    config.write_text(DANTE.format(port=port, users=users, verdict=verdict))
    with running(port, program("danted"), "-f", config, "-p", folder / "danted.pid"):
        yield port


@contextmanager
def microsocks(program: Program, port: int) -> Iterator[int]:
    """Run a microsocks that wants a login."""
    login = ("-u", "me", "-P", "s3cret")
    with running(port, program("microsocks"), "-i", "127.0.0.1", "-p", port, *login):
        yield port


@contextmanager
def tinyproxy(program: Program, folder: Path, *, allowed: int) -> Iterator[int]:
    """Run a tinyproxy that wants a login, and connects to one port only."""
    port = free_port()
    config = folder / "tinyproxy.conf"
    config.write_text(TINYPROXY.format(port=port, folder=folder, allowed=allowed))
    with running(port, program("tinyproxy"), "-d", "-c", config):
        yield port


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Bindpost]:
    """Run the server to relay to."""
    settings = Settings(
        listener=(Listener(endpoint="127.0.0.1:0"),),
        web="off",
        data=":memory:",
        personality="plain",
    )
    async with Bindpost(settings, folder=tmp_path) as app:
        yield app


@asynccontextmanager
async def releasing(
    there: Bindpost, folder: Path, via: str, **settings: Any
) -> AsyncIterator[tuple[RunningRelay, MessageRow]]:
    """Run a relay whose one message is released already."""
    store = MemoryStore()
    facts = SessionFacts(new_id(), utc_now(), "127.0.0.1:1025", "direct:", "ims-5.5")
    envelope = Envelope("a@example.com", (Recipient("b@example.org"),))
    row = await store.add(Message(new_id(), utc_now(), envelope, facts, RAW), ())
    relay_settings = Relay(server=str(there.smtp[0]), via=via, first_pause=0.05, **settings)
    async with relaying(
        Route.load(relay_settings, folder=folder),
        relay_settings,
        store,
        data=":memory:",
        hostname="test.example",
        listeners=list,
    ) as relay:
        assert relay is not None
        await relay.release(row, None)
        yield relay, row
    await store.close()


async def received(there: Bindpost) -> bytes | None:
    """Give the bytes of the one message that came."""
    (row,) = await there.store.find()
    return await there.store.raw(row.id)


@pytest.mark.parametrize("scheme", ["socks5", "socks4"])
async def test_dante(
    there: Bindpost, program: Program, tmp_path: Path, log: Log, scheme: str
) -> None:
    """Through Dante, by SOCKS 5 and 4, a message arrives byte for byte."""
    with dante(program, tmp_path) as port:
        async with releasing(there, tmp_path, f"{scheme}://127.0.0.1:{port}"):
            await log.wait_for(events.RELAY_SENT)

    assert await received(there) == RAW


async def test_dante_that_blocks(
    there: Bindpost, program: Program, tmp_path: Path, log: Log
) -> None:
    """A rule of Dante's that blocks is told as the proxy's, with what to do."""
    with dante(program, tmp_path, verdict="block") as port:
        async with releasing(there, tmp_path, f"socks5://127.0.0.1:{port}"):
            delayed = await log.wait_for(events.RELAY_DELAYED)

    assert delayed["hop"] == "proxy"
    assert "not allowed by ruleset (0x02)" in delayed["reason"]
    assert "rules" in delayed["hint"]


async def test_microsocks(there: Bindpost, program: Program, tmp_path: Path, log: Log) -> None:
    """Through microsocks, with a login, a message arrives byte for byte."""
    with microsocks(program, free_port()) as port:
        async with releasing(there, tmp_path, f"socks5://me:s3cret@127.0.0.1:{port}"):
            await log.wait_for(events.RELAY_SENT)

    assert await received(there) == RAW


async def test_microsocks_refuses_a_login(
    there: Bindpost, program: Program, tmp_path: Path, log: Log
) -> None:
    """A login that microsocks refuses is told as that."""
    with microsocks(program, free_port()) as port:
        async with releasing(there, tmp_path, f"socks5://me:wr0ng@127.0.0.1:{port}"):
            delayed = await log.wait_for(events.RELAY_DELAYED)

    assert (delayed["hop"], "login was refused" in delayed["reason"]) == ("proxy", True)
    assert "wr0ng" not in repr(log.seen)


async def test_a_proxy_that_is_started_later(
    there: Bindpost, program: Program, tmp_path: Path, log: Log
) -> None:
    """While microsocks is down the message waits; when it is up the message is delivered once."""
    port = free_port()
    via = f"socks5://me:s3cret@127.0.0.1:{port}"
    async with releasing(there, tmp_path, via, attempts=100) as (relay, row):
        delayed = await log.wait_for(events.RELAY_DELAYED)
        with microsocks(program, port):
            await log.wait_for(events.RELAY_SENT)
        (job,) = await relay.jobs(row.id)

    assert "Connection refused" in delayed["reason"]
    assert (job.state, job.attempts > 1) == ("sent", True)
    assert await received(there) == RAW


async def test_tinyproxy(there: Bindpost, program: Program, tmp_path: Path, log: Log) -> None:
    """Through tinyproxy's CONNECT, with a login, a message arrives byte for byte."""
    with tinyproxy(program, tmp_path, allowed=there.smtp[0].port) as port:
        async with releasing(there, tmp_path, f"http://me:s3cret@127.0.0.1:{port}"):
            await log.wait_for(events.RELAY_SENT)

    assert await received(there) == RAW


@pytest.mark.parametrize(
    ("login", "allowed", "said", "hinted"),
    [("me:s3cret@", False, "403", "ConnectPort"), ("me:wr0ng@", True, "401", "login")],
    ids=["port", "login"],
)
async def test_tinyproxy_that_refuses(
    there: Bindpost,
    program: Program,
    tmp_path: Path,
    log: Log,
    login: str,
    allowed: bool,
    said: str,
    hinted: str,
) -> None:
    """A port or a login that tinyproxy refuses is told as the proxy's, with what to do."""
    with tinyproxy(program, tmp_path, allowed=there.smtp[0].port if allowed else 443) as port:
        async with releasing(there, tmp_path, f"http://{login}127.0.0.1:{port}"):
            delayed = await log.wait_for(events.RELAY_DELAYED)

    assert delayed["hop"] == "proxy"
    assert said in delayed["reason"]
    assert hinted in delayed["hint"]


async def test_squid(
    there: Bindpost, squid: Callable[[int], str], tmp_path: Path, log: Log
) -> None:
    """Through squid's CONNECT a message arrives byte for byte."""
    async with releasing(there, tmp_path, f"http://{squid(there.smtp[0].port)}"):
        await log.wait_for(events.RELAY_SENT)

    assert await received(there) == RAW


async def test_squid_that_refuses(
    there: Bindpost, squid: Callable[[int], str], tmp_path: Path, log: Log
) -> None:
    """A port that squid's rules leave out is told as the proxy's, with what to do."""
    async with releasing(there, tmp_path, f"http://{squid(443)}"):
        delayed = await log.wait_for(events.RELAY_DELAYED)

    assert delayed["hop"] == "proxy"
    assert "403" in delayed["reason"]
    assert "SSL_ports" in delayed["hint"]


def test_serve_relays_through_microsocks(serve: Serve, program: Program, tmp_path: Path) -> None:
    """
    `bindpost serve` relays what matches through a proxy, and what is released.

    The server is a `bindpost serve` of its own.
    """
    there = serve("--data", ":memory:", "--personality", "plain").wait_ready()
    with microsocks(program, free_port()) as port:
        config = tmp_path / "relay.toml"
        config.write_text(
            f'[relay]\nserver = "127.0.0.1:{there.smtp[1]}"\n'
            f'via = "socks5://me:s3cret@127.0.0.1:{port}"\nrecipients = ["*@example.org"]\n'
        )
        here = serve("--config", str(config)).wait_ready()
        with smtplib.SMTP(*here.smtp) as smtp:
            smtp.sendmail("a@example.com", ["b@example.org", "c@x"], "Subject: one\r\n\r\n")
            smtp.sendmail("a@example.com", ["c@x"], "Subject: two\r\n\r\n")
        first = there.client.wait(subject="one", timeout=PATIENCE)
        assert first is not None
        two = here.client.wait(subject="two", timeout=PATIENCE)
        assert two is not None
        here.client.release(two.id, ["d@example.org"])
        second = there.client.wait(subject="two", timeout=PATIENCE)
        assert second is not None

    assert first.recipients == ("b@example.org",)
    assert second.recipients == ("d@example.org",)
    assert here.stop() == 0
    assert "s3cret" not in repr(here.records)
