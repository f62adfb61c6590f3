"""Sender: takes a message to the server within a deadline, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Final, final

from bindpost import events
from bindpost.config.endpoint import Endpoint
from bindpost.log import get_logger
from bindpost.proxy.binding import Address, resolve
from bindpost.proxy.socks import worker

from .delivery import Answer, Delivery, Shipment
from .line import Line
from .loops import refuse_own
from .route import Route
from .trouble import Hop, Trouble

_LOG: Final = get_logger("bindpost.relay")


@dataclass(frozen=True, slots=True)
class Result:
    """
    What became of an attempt.

    `answers` has a place for each recipient; where it is None, `trouble` is the reason.
    """

    answers: tuple[Answer | None, ...]
    trouble: Trouble | None = None


@final
class Sender:
    """
    Delivers messages to one server.

    `name` is said in EHLO, `timeout` is the time in seconds that one attempt may take in all,
    `listeners` gives our own addresses, which are never dialled.
    """

    def __init__(
        self,
        route: Route,
        *,
        name: str,
        timeout: float,
        listeners: Callable[[], Collection[Endpoint]],
    ) -> None:
        self.route = route
        self._name = name
        self._timeout = timeout
        self._listeners = listeners

    async def send(self, shipment: Shipment) -> Result:
        """
        Make one attempt; does not block the loop.

        Cancelling it cuts the connection and leaves no thread behind; what was known by then is
        lost.
        """
        delivery = Delivery(shipment, self.route, name=self._name, timeout=self._timeout)
        trouble: Trouble | None = None
        try:
            async with asyncio.timeout(self._timeout):
                target, addresses = await self._resolve()
                refuse_own(self.route, [each.host for each in addresses], self._listeners())
                work = partial(delivery.run, target, addresses)
                await worker.run(work, stop=delivery.line.stop)
        except TimeoutError:
            trouble = self._too_late(delivery)
        except Trouble as error:
            trouble = error
        self._tell(delivery.line)
        return Result(tuple(delivery.answers), trouble)

    def _tell(self, line: Line) -> None:
        """Say what became of connecting, as IMS did; nothing if it did not come to that."""
        names = {"server": str(self.route.server), "via": self.route.via}
        host, domain = line.host, self.route.server.host
        match line.outcome:
            case "made":
                _LOG.info(events.CONNECTION_MADE, host=host, domain=domain, **names)
            case "refused":
                _LOG.warning(events.CONNECT_REFUSED, host=host, domain=domain, **names)
            case "failed":
                _LOG.warning(events.CONNECT_FAILED, domain=domain, **names)

    async def _resolve(self) -> tuple[str, list[Address]]:
        """Give the server's host as the first hop is to be told, and the first hop's addresses."""
        route = self.route
        target = route.server.host
        if route.proxy is not None and route.proxy.scheme == "socks4":
            found = await _look_up(route.server, "server")
            addresses = [each.host for each in found if each.family == socket.AF_INET]
            if not addresses:
                raise _unknown("server", route.server, "it has no IPv4 address, SOCKS4 no other")
            target = addresses[0]
        return target, await _look_up(route.first_hop, "proxy" if route.proxy else "server")

    def _too_late(self, delivery: Delivery) -> Trouble:
        line = delivery.line
        place = f"proxy {self.route.via}" if line.hop == "proxy" else f"server {self.route.server}"
        return Trouble(
            line.hop,
            f"{place}, at {line.step}: not done after {self._timeout:g} seconds",
            hint="see that it is alive; relay.timeout is the time for one attempt",
        )


async def _look_up(endpoint: Endpoint, hop: Hop) -> list[Address]:
    try:
        return await resolve(endpoint.host, endpoint.port)
    except OSError as error:
        raise _unknown(hop, endpoint, error.strerror or str(error)) from None


def _unknown(hop: Hop, endpoint: Endpoint, reason: str) -> Trouble:
    key = "relay.via" if hop == "proxy" else "relay.server"
    return Trouble(hop, f"looking up {hop} {endpoint}: {reason}", hint=f"correct {key}")
