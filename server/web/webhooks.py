"""The route that tells of the webhooks and what waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .responses import json_response
from .webhook_objects import Webhook, Webhooks


class TellsWebhooks(Protocol):
    """What knows the webhooks."""

    async def states(self) -> Sequence[Webhook]:
        """Tell how each of them is."""
        ...


class WebhookRoutes:
    """The handler; without webhooks there are none to tell of."""

    def __init__(self, webhooks: TellsWebhooks | None) -> None:
        self._webhooks = webhooks

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [Route("/api/bindpost/v1/webhooks", self.states)]

    async def states(self, _: Request) -> Response:
        """Answer with every webhook and the newest of its deliveries."""
        known = [] if self._webhooks is None else await self._webhooks.states()
        return json_response(Webhooks(known))
