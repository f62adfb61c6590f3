"""Persistent=1, KillOldSession=1 and ProxyBindIp: what becomes of a bind, and which it is."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.provider import ListenerState
from bindpost.proxy.winsock.messages import Message, SessionEnd
from bindpost.proxy.winsock.standin import Misbehaviour
from bindpost.proxy.winsock.standin_faults import Server
from bindpost.proxy.winsock.wire import Address

from .conftest import PATIENT

if TYPE_CHECKING:
    from tests.wire.conftest import Clock
    from tests.wire.winsock.conftest import World

PERSISTENT = "Persistent=1\n"
INTERNAL, ALSO_EXTERNAL = "127.0.0.1", "127.0.0.3"


# Persistent


async def keep_alive_in_vain(clock: Clock) -> None:
    """Return when a keep-alive has been sent, as often as it is sent, and was not answered."""
    for _ in range(1 + PATIENT.tries):
        await clock.move_on(PATIENT.interval)


@pytest.mark.parametrize("section", [PERSISTENT, ""], ids=["persistent", "not"])
async def test_proxy_that_is_lost(world: World, section: str) -> None:
    """With Persistent=1 the bind is tried again, without it the listener has failed; 10050."""
    proxy = await world.proxy()
    bound = await world.bind(world.provider(section))

    proxy.die()
    error = await bound.reported(ListenerState.RETRYING if section else ListenerState.FAILED)

    assert error is not None
    assert (error.code, error.hop) == (10050, "accept")
    assert bound.listener.state is (ListenerState.RETRYING if section else ListenerState.FAILED)


async def test_restarted_proxy_is_bound_again(world: World) -> None:
    """When the proxy answers again the same port is bound, and peers get in with their names."""
    proxy = await world.proxy()
    bound = await world.bind(world.provider(PERSISTENT))
    addresses = bound.listener.addresses
    proxy.die()
    await bound.reported(ListenerState.RETRYING)
    await proxy.gone()

    again = await world.proxy()
    while await bound.reports.get() != (ListenerState.LISTENING, None):
        pass

    assert bound.listener.addresses == addresses
    assert bound.listener.state is ListenerState.LISTENING
    assert list(again.bound) == [Address(bound.outside.host, bound.outside.port)]
    assert await world.visit(bound.outside)


async def test_bind_is_made_again_as_often_as_it_is_lost(world: World) -> None:
    """A proxy may be restarted twice."""
    proxy = await world.proxy()
    bound = await world.bind(world.provider(PERSISTENT))
    for _ in range(2):
        proxy.die()
        await bound.reported(ListenerState.RETRYING)
        await proxy.gone()
        proxy = await world.proxy()
        while await bound.reports.get() != (ListenerState.LISTENING, None):
            pass

        assert await world.visit(bound.outside)


async def test_local_clients_are_served_while_the_proxy_is_lost(world: World) -> None:
    """The local port stays, for sessions that live and for new ones."""
    proxy = await world.proxy()
    bound = await world.bind(world.provider(PERSISTENT))
    before = await world.call(bound.here)
    await before.greeting()
    proxy.die()
    await bound.reported(ListenerState.RETRYING)

    after = await world.call(bound.here)

    assert await after.greeting() == after.name
    assert await before.echo(b"still here") == b"still here"


async def test_proxy_that_forgets_its_sessions_is_bound_again(world: World, clock: Clock) -> None:
    """A service that is restarted between two keep-alives is missed, and bound again."""
    proxy = await world.proxy()
    bound = await world.bind(world.provider(PERSISTENT))

    proxy.forget()
    await keep_alive_in_vain(clock)
    await bound.reported(ListenerState.RETRYING)
    await bound.reported(ListenerState.LISTENING)

    assert await world.visit(bound.outside)


async def test_each_new_cause_is_reported_once(world: World) -> None:
    """While the bind is lost another cause is reported when it comes: the port is taken there."""
    proxy = await world.proxy()
    bound = await world.bind(world.provider(PERSISTENT))
    proxy.die()
    await proxy.gone()
    await bound.reported(ListenerState.RETRYING)
    with socket.create_server((bound.outside.host, bound.outside.port)):
        await world.proxy()
        causes = [(10050, "accept")]
        while causes[-1] != (10048, "bind"):
            error = await bound.reported(ListenerState.RETRYING)
            assert error is not None
            causes.append((error.code, error.hop))

        assert all(one != other for one, other in pairwise(causes))
    await bound.reported(ListenerState.LISTENING)


@pytest.mark.meets("winsock://", "moved")
async def test_proxy_with_another_address_is_no_recovery(world: World) -> None:
    """A listener's addresses don't change: when the proxy binds another one it has failed."""
    proxy = await world.proxy()
    bound = await world.bind(world.provider(PERSISTENT))
    proxy.die()
    await proxy.gone()
    await bound.reported(ListenerState.RETRYING)

    await world.proxy(external=ALSO_EXTERNAL)
    state, error = await bound.reports.get()
    while state is ListenerState.RETRYING:
        state, error = await bound.reports.get()

    assert state is ListenerState.FAILED
    assert error is not None
    assert (error.code, ALSO_EXTERNAL in error.detail) == (10050, True)


async def test_close_while_the_proxy_is_lost_leaves_nothing(world: World) -> None:
    """No task and no port is left, and nothing more is reported."""
    before = asyncio.all_tasks()
    proxy = await world.proxy()
    bound = await world.bind(world.provider(PERSISTENT))
    proxy.die()
    await bound.reported(ListenerState.RETRYING)

    bound.listener.close()
    await bound.listener.wait_closed()

    assert bound.listener.state is ListenerState.CLOSED
    assert asyncio.all_tasks() <= before
    with socket.create_server((INTERNAL, bound.here.port)):
        pass


async def test_proxy_that_dies_when_it_has_bound(world: World) -> None:
    """`die:listen` is a bind that works, and is lost at the next keep-alive."""
    await world.proxy(misbehaviour=Misbehaviour.parse("die:listen"))
    bound = await world.bind(world.provider(PERSISTENT))

    await bound.reported(ListenerState.RETRYING)


class Gap(Misbehaviour):
    """Takes nothing while it is open, as a network that is cut; the farewell is lost in it."""

    is_open = False

    def receive(self, message: Message, take: Callable[[], None], server: Server) -> None:
        """Pass over it, or not."""
        if not self.is_open and not isinstance(message, SessionEnd):
            take()


@pytest.mark.parametrize("kill", ["KillOldSession=1\n", ""], ids=["kill", "keep"])
async def test_proxy_that_has_missed_nothing(world: World, clock: Clock, kill: str) -> None:
    """After a cut the proxy still holds the port for the old session: KillOldSession=1 ends it."""
    gap = Gap()
    proxy = await world.proxy(misbehaviour=gap)
    bound = await world.bind(world.provider(PERSISTENT + kill))
    gap.is_open = True
    await keep_alive_in_vain(clock)
    await bound.reported(ListenerState.RETRYING)
    gap.is_open = False

    state, error = await bound.reports.get()
    while error is not None and error.code == 10050:
        state, error = await bound.reports.get()

    assert len(proxy.bound) == 1
    if kill:
        assert state is ListenerState.LISTENING
        assert await world.visit(bound.outside)
    else:
        assert error is not None
        assert (state, error.code) == (ListenerState.RETRYING, 10048)


# KillOldSession


async def test_own_old_session_is_in_the_way(world: World) -> None:
    """A port that the old session of the same program still holds is 10048."""
    proxy = await world.proxy()
    old = await world.raw(proxy)
    await old.greet()
    port = (await old.bind(world.free_port())).external.port

    error = await world.error_of(world.provider(), Endpoint(INTERNAL, port))

    assert (error.code, error.hop) == (10048, "bind")
    assert "on the proxy" in error.detail
    assert len(proxy.bound) == 1


async def test_kill_old_session_ends_it(world: World) -> None:
    """With KillOldSession=1 the port is the new session's, and peers reach it."""
    proxy = await world.proxy()
    old = await world.raw(proxy)
    await old.greet()
    port = (await old.bind(world.free_port())).external.port

    bound = await world.bind(world.provider("KillOldSession=1\n"), Endpoint(INTERNAL, port))

    assert len(proxy.bound) == 1
    assert await world.visit(bound.outside)


@pytest.mark.parametrize(
    ("source", "executable"),
    [("127.0.0.4", "MSEXCIMC.EXE"), (INTERNAL, "STORE.EXE")],
    ids=["machine", "program"],
)
async def test_somebody_elses_session_is_not_killed(
    world: World, source: str, executable: str
) -> None:
    """KillOldSession=1 does nothing to another machine's session, nor to another program's."""
    proxy = await world.proxy()
    old = await world.raw(proxy, source)
    await old.greet(executable)
    port = (await old.bind(world.free_port())).external.port

    error = await world.error_of(world.provider("KillOldSession=1\n"), Endpoint(INTERNAL, port))

    assert (error.code, "on the proxy" in error.detail) == (10048, True)
    assert len(proxy.bound) == 1


async def test_other_ports_of_the_program_are_kept(world: World) -> None:
    """A second listener of the same program is no earlier instance of it."""
    proxy = await world.proxy()
    first = await world.bind(world.provider("KillOldSession=1\n"))
    second = await world.bind(world.provider("KillOldSession=1\n"))

    assert len(proxy.bound) == 2
    assert await world.visit(first.outside)
    assert await world.visit(second.outside)


# ProxyBindIp


async def test_proxy_bind_ip_asks_for_an_address(world: World) -> None:
    """Two servers have one port, each on an address of its own (KB Q181420)."""
    proxy = await world.proxy(also_external=[ALSO_EXTERNAL])
    port = world.free_port()
    first = await world.bind(world.provider(), Endpoint(INTERNAL, port))
    section = f"ProxyBindIp=1:127.0.0.2,{port}:{ALSO_EXTERNAL}\n"

    second = await world.bind(world.provider(section), Endpoint("127.0.0.4", port))

    assert second.outside == Endpoint(ALSO_EXTERNAL, port)
    assert len(proxy.bound) == 2
    assert await world.visit(first.outside)
    assert await world.visit(second.outside)


async def test_address_that_the_proxy_lacks_is_refused(world: World) -> None:
    """ProxyBindIp with an address of nobody is 10050, hop bind."""
    await world.proxy()
    port = world.free_port()

    error = await world.error_of(
        world.provider(f"ProxyBindIp={port}:127.0.0.77\n"), Endpoint(INTERNAL, port)
    )

    assert (error.code, error.hop) == (10050, "bind")
