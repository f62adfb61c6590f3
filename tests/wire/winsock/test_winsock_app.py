"""A whole bindpost behind the stand-in: many peers at once, and a proxy that is restarted."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Listener, Settings, WinsockPath
from bindpost.events import BIND_FAILED, LISTENER_BOUND, PATH_LOST, PATH_RECOVERED
from bindpost.server.app import Bindpost
from bindpost.server.store.store import MessageRow

if TYPE_CHECKING:
    from tests.wire.conftest import Events
    from tests.wire.winsock.conftest import World

PEERS, MESSAGES, BATCH = 64, 1000, 5
PATIENCE = 30.0
KEEP = "[msexcimc]\nServerBindTcpPorts=0-65535\nPersistent=1\nKillOldSession=1\n"
LOSE = "[msexcimc]\nServerBindTcpPorts=0-65535\n"


@pytest.fixture
def anyio_backend() -> str:
    """One loop is enough here: the other tests run on both."""
    return "asyncio"


def app_for(
    world: World,
    folder: Path,
    section: str,
    on_bind_failure: Literal["stop", "retry", "continue"] = "stop",
) -> Bindpost:
    """Make a bindpost that binds through the world's proxy, and misses it soon."""
    (folder / "wspcfg.ini").write_text(section)
    path = WinsockPath(
        server=f"127.0.0.1:{world.port}", wspcfg="wspcfg.ini", tries=10, keepalive=0.1
    )
    settings = Settings(
        listener=(Listener(endpoint="127.0.0.1:0", via="lab"),),
        path={"lab": path},
        on_bind_failure=on_bind_failure,
        web="off",
        data=":memory:",
    )
    return Bindpost(settings, folder=folder)


async def send(address: Endpoint, source: str, *subjects: str) -> str:
    """Send messages in one session; give the own address if all were acknowledged."""
    writer = None
    try:
        reader, writer = await asyncio.open_connection(
            address.host, address.port, local_addr=(source, 0)
        )
        lines = [b"HELO peer"]
        for subject in subjects:
            lines += [b"MAIL FROM:<a@example.org>", b"RCPT TO:<b@example.org>", b"DATA"]
            lines.append(f"Subject: {subject}\r\n\r\n{subject}\r\n.".encode())
        await reader.readline()
        for line in lines:
            writer.write(line + b"\r\n")
            if (await reader.readline())[:1] not in (b"2", b"3"):
                return ""
        return "{}:{}".format(*writer.get_extra_info("sockname"))
    except OSError:
        return ""
    finally:
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def kept_by(app: Bindpost) -> dict[str, MessageRow]:
    """Give what is kept, by subject; each once."""
    rows = await app.store.find(limit=0)
    subjects = Counter(row.fields.subject for row in rows)
    assert [subject for subject, times in subjects.items() if times != 1] == []
    return {row.fields.subject: row for row in rows}


async def test_many_peers_and_messages_through_one_bind(world: World, tmp_path: Path) -> None:
    """64 peers at once send 1,000 messages: each is kept once, with its true peer."""
    proxy = await world.proxy()
    senders: dict[str, str] = {}
    batches = iter([range(first, first + BATCH) for first in range(0, MESSAGES, BATCH)])
    async with app_for(world, tmp_path, KEEP) as app:

        async def peer(source: str) -> None:
            for batch in batches:
                subjects = [f"message {number}" for number in batch]
                sender = await send(app.smtp[0], source, *subjects)
                senders.update(dict.fromkeys(subjects, sender))

        await asyncio.gather(*(peer(f"127.0.0.{9 + number}") for number in range(PEERS)))
        rows = await kept_by(app)

        assert len(proxy.bound) == 1
        assert "" not in senders.values()
        assert {subject: row.session.peer for subject, row in rows.items()} == senders
        assert len({sender.partition(":")[0] for sender in senders.values()}) == PEERS


class Load:
    """Peers that send one message after another, until told to stop."""

    def __init__(self, address: Endpoint) -> None:
        self.acknowledged: dict[str, str] = {}
        self._address = address
        self._stopped = False
        self._progress = asyncio.Condition()

    async def run(self, source: str) -> None:
        """Send; a message that is not acknowledged is the next one's business."""
        number = 0
        while not self._stopped:
            number += 1
            subject = f"{source} {number}"
            sender = await send(self._address, source, subject)
            if sender:
                async with self._progress:
                    self.acknowledged[subject] = sender
                    self._progress.notify_all()

    async def wait_for_more(self, number: int) -> None:
        """Return when so many more messages were acknowledged."""
        wanted = len(self.acknowledged) + number
        async with self._progress, asyncio.timeout(PATIENCE):
            await self._progress.wait_for(lambda: len(self.acknowledged) >= wanted)

    def stop(self) -> None:
        """Have the peers end after the message that they are at."""
        self._stopped = True


async def test_restart_under_load_with_persistent(
    world: World, tmp_path: Path, events: Events
) -> None:
    """The listener is back on its port, and every message that was acknowledged is kept."""
    proxy = await world.proxy()
    async with app_for(world, tmp_path, KEEP) as app:
        address = app.smtp[0]
        load = Load(address)
        async with asyncio.TaskGroup() as peers:
            for number in range(8):
                peers.create_task(load.run(f"127.0.0.{9 + number}"))
            await load.wait_for_more(50)
            proxy.die()
            await proxy.gone()
            await events.wait_for(PATH_LOST)
            await world.proxy()
            await events.wait_for(PATH_RECOVERED)
            await load.wait_for_more(50)
            load.stop()
        rows = await kept_by(app)

        assert app.smtp[0] == address
        assert (
            load.acknowledged.items()
            <= {subject: row.session.peer or "" for subject, row in rows.items()}.items()
        )
        assert not app.listeners.lost.is_set()
        assert {fields["wsa_error"] for fields in events.of(BIND_FAILED)} == {10050}


async def test_restart_without_persistent_stops_the_service(
    world: World, tmp_path: Path, events: Events
) -> None:
    """Without Persistent=1 the bind is lost for good: 4007 with 10050, and `stop` means stop."""
    proxy = await world.proxy()
    async with app_for(world, tmp_path, LOSE) as app:
        proxy.die()
        failed = await events.wait_for(BIND_FAILED)
        async with asyncio.timeout(PATIENCE):
            await app.listeners.lost.wait()

        assert (failed["wsa_error"], failed["hop"]) == (10050, "accept")
        assert app.smtp == []


async def test_restart_without_persistent_is_bound_by_the_policy(
    world: World, tmp_path: Path, events: Events
) -> None:
    """Under `retry` bindpost itself binds again what the path has given up."""
    proxy = await world.proxy()
    async with app_for(world, tmp_path, LOSE, "retry") as app:
        await app.ready.wait()
        proxy.die()
        await proxy.gone()
        failed = await events.wait_for(BIND_FAILED)
        events.seen.clear()
        again = await world.proxy()
        await events.wait_for(LISTENER_BOUND)

        assert failed["wsa_error"] == 10050
        assert len(again.bound) == 1
        assert await send(app.smtp[0], "127.0.0.9", "after")
