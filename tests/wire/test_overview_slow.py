"""The overview over a listener that takes its time: one walk, one attempt, and an end to both."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Listener, Settings
from bindpost.errors import BindError
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.provider import BindProvider, Hop, ListenerState, ProtocolFactory, Report
from bindpost.proxy.provider import Listener as BoundListener
from bindpost.server.listeners import Listeners, Plan
from bindpost.server.overview import Overview
from bindpost.server.smtp.service import Resources
from bindpost.server.smtp.sessions import Sessions
from bindpost.server.store.memory import MemoryStore

Events = Any
ANYWHERE: Final = "127.0.0.1:0"


class Slow:
    """Binds on this machine; a walk takes until a test says so, and so does a loss: a fake."""

    url = "slow:"

    def __init__(self) -> None:
        self.report: Report | None = None
        self.bound: BoundListener
        self.binding = asyncio.Event()
        self.may_bind = asyncio.Event()
        self.may_bind.set()
        self.binds = 0
        self.walks = 0
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def create_server(
        self,
        protocol_factory: ProtocolFactory,
        endpoint: Endpoint,
        *,
        ssl: ssl.SSLContext | None = None,
        report: Report | None = None,
    ) -> BoundListener:
        """Bind, when the test lets it."""
        self.report = report
        self.binds += 1
        self.binding.set()
        await self.may_bind.wait()
        self.bound = await DirectProvider().create_server(protocol_factory, endpoint)
        return self.bound

    async def lose(self) -> None:
        """Give up what is bound, as a proxy's listener does whose proxy has gone."""
        assert self.report is not None
        self.bound.close()
        await self.bound.wait_closed()
        lost = BindError(
            10050, endpoint=ANYWHERE, path=self.url, hop="accept", detail="gone", hint="see to it"
        )
        self.report(ListenerState.FAILED, lost)

    async def diagnose(self, endpoint: Endpoint) -> list[Hop]:
        """Walk."""
        self.walks += 1
        self.begun.set()
        await self.go_on.wait()
        return [Hop("slow", str(endpoint), True, "at last")]


class SlowPlan(Plan):
    """A plan of one listener that is bound by a provider of ours."""

    def providers(self) -> list[BindProvider]:
        """Give it."""
        return [Slow()]


@asynccontextmanager
async def slow_listener() -> AsyncIterator[tuple[Listeners, Slow]]:
    """Give listeners whose only one is slow to be walked to."""
    settings = Settings(listener=(Listener(endpoint=ANYWHERE),))
    folder = Path()
    resources = Resources.load(settings, hostname="x", folder=folder)
    listeners = Listeners(
        SlowPlan(settings, resources, folder),
        store=MemoryStore(),
        sessions=Sessions(10),
        protocol_log=None,
    )
    await listeners.start()
    provider = listeners.posts[0].provider
    assert isinstance(provider, Slow)
    yield listeners, provider
    await listeners.close()


async def test_what_is_given_up_is_bound_when_somebody_asks(events: Events) -> None:
    """A listener whose provider has given up is failed, without an attempt, until a POST."""
    async with slow_listener() as (listeners, provider):
        overview = Overview(listeners)
        await provider.lose()
        (failed,) = overview.listeners()
        back = await overview.rebind(0)
        with pytest.raises(IndexError):
            await overview.rebind(1)

    assert (failed.state, failed.attempts, failed.addresses) == ("failed", 0, [])
    assert failed.last_error is not None
    assert (failed.last_error.hop, failed.last_error.reason) == ("accept", "gone")
    assert (back.state, back.last_error) == ("listening", failed.last_error)
    assert len(back.addresses) == 1


async def test_two_who_ask_cause_one_attempt(events: Events) -> None:
    """A listener isn't bound twice, however many ask for it at the same time."""
    async with slow_listener() as (listeners, provider):
        overview = Overview(listeners)
        await provider.lose()
        provider.binding.clear()
        provider.may_bind.clear()
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(overview.rebind(0)) for _ in range(2)]
            await provider.binding.wait()
            provider.may_bind.set()

    assert [one.result().state for one in asking] == ["listening", "listening"]
    assert provider.binds == 2  # the first of all, and this one


async def test_a_path_that_cannot_be_hurried(events: Events) -> None:
    """A provider that binds again by itself and tells no pauses is left alone, with a sentence."""
    async with slow_listener() as (listeners, provider):
        overview = Overview(listeners)
        assert provider.report is not None
        lost = BindError(10050, endpoint=ANYWHERE, path="slow:", hop="x", detail="y", hint="z")
        provider.report(ListenerState.RETRYING, lost)
        (retrying,) = overview.listeners()
        with pytest.raises(ValueError, match="bound again by slow:"):
            await overview.rebind(0)

    assert (retrying.state, retrying.retry_in) == ("retrying", None)


async def test_a_listener_that_is_closed_while_it_is_bound(events: Events) -> None:
    """An attempt that comes to its end after the listener was closed leaves nothing bound."""
    async with slow_listener() as (listeners, provider):
        await provider.lose()
        provider.binding.clear()
        provider.may_bind.clear()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(Overview(listeners).rebind(0))
            await provider.binding.wait()
            await listeners.close()
            provider.may_bind.set()

    assert (asking.result().state, asking.result().addresses) == ("closed", [])
    assert provider.bound.state == "closed"


async def test_one_walk_for_all_who_ask() -> None:
    """Those who ask while a path is being walked get what that walk finds."""
    async with slow_listener() as (listeners, provider):
        overview = Overview(listeners)
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(overview.paths()) for _ in range(3)]
            await provider.begun.wait()
            provider.go_on.set()
        walked = provider.walks
        await overview.paths()

    assert (walked, provider.walks) == (1, 2)
    assert [[hop.name for hop in one.result()[0].hops] for one in asking] == [["slow", "bound"]] * 3


async def test_a_walk_is_bounded() -> None:
    """A walk that doesn't end is given up, and that is told; it is no fault of the path's."""
    async with slow_listener() as (listeners, _):
        (path,) = await Overview(listeners, walk_limit=0.01).paths()

    assert [(hop.name, hop.ok) for hop in path.hops] == [("walk", None)]
    assert "0.01 s" in path.hops[0].detail
    assert path.code is None
    assert "given up" in path.sentence


async def test_nothing_is_walked_unless_somebody_asks() -> None:
    """To tell the states asks nobody, and a closed listener's path isn't walked."""
    async with slow_listener() as (listeners, provider):
        overview = Overview(listeners)
        overview.listeners()
    (path,) = await overview.paths()

    assert provider.walks == 0
    assert (path.state, path.hops) == ("closed", [])
    with pytest.raises(ValueError, match="is closed"):
        await overview.rebind(0)


async def test_a_walk_ends_with_the_app() -> None:
    """Nothing of a walk is left when the overview is closed."""
    async with slow_listener() as (listeners, provider):
        overview = Overview(listeners)
        asking = asyncio.create_task(overview.paths())
        await provider.begun.wait()
        await overview.close()
        await asyncio.gather(asking, return_exceptions=True)

    assert asking.cancelled()


async def test_a_name_that_the_services_file_lacks(events: Events) -> None:
    """A walk to a port whose name is unknown ends there, and foretells event 4003."""
    async with slow_listener() as (listeners, provider):
        post = listeners.posts[0]
        await provider.lose()
        post.settings = Listener(endpoint="127.0.0.1:no-such-name")
        (path,) = await Overview(listeners).paths()

    assert [(hop.name, hop.ok, hop.code) for hop in path.hops] == [("services", False, 11004)]
    assert "event 4003" in path.sentence
    assert provider.walks == 0
