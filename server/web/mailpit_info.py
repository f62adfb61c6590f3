"""Mailpit's REST API: what it says of itself; its chaos, which is not there."""

from __future__ import annotations

import sys

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..activity import Activity
from ..store.store import MessageStore
from . import mailpit_objects as objects
from .releasing import Releases
from .requests import refuse
from .responses import json_response


class MailpitInfo:
    """The handlers; `database` says where the messages are kept."""

    def __init__(
        self,
        store: MessageStore,
        activity: Activity,
        *,
        version: str,
        database: str,
        relay: Releases | None,
    ) -> None:
        self._store = store
        self._activity = activity
        self._version = version
        self._database = database
        self._relay = relay

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route("/api/v1/info", self.info),
            Route("/api/v1/webui", self.webui),
            Route("/api/v1/chaos", self.chaos),
            Route("/api/v1/chaos", self.chaos, methods=["PUT"]),
        ]

    async def info(self, _: Request) -> Response:
        """Answer with version, counts, and what happened since the start."""
        return json_response(await self.figures())

    async def figures(self) -> objects.Info:
        """Give version, counts, and what happened since the start."""
        counts = await self._store.count()
        activity = self._activity
        return objects.Info(
            version=f"v{self._version}",
            latest_version="disabled",  # nobody is asked for it
            database=self._database,
            database_size=counts.size,
            messages=counts.total,
            unread=counts.unread,
            tags=await self._store.tags(),
            runtime_stats=objects.RuntimeStats(
                uptime=activity.uptime,
                memory=_memory(),
                messages_deleted=activity.deleted(counts.total),
                smtp_accepted=activity.accepted,
                smtp_accepted_size=activity.accepted_size,
                smtp_rejected=activity.rejected,
            ),
        )

    async def webui(self, _: Request) -> Response:
        """Answer with the settings that Mailpit's pages ask for."""
        relay = objects.MessageRelay()
        if self._relay is not None:
            allowed = ", ".join(self._relay.allowed)
            relay = objects.MessageRelay(
                enabled=True,
                smtp_server=self._relay.server,
                allowed_recipients=allowed,
                preserve_message_ids=True,
                recipient_allowlist=allowed,
            )
        return json_response(objects.WebUI(label="", message_relay=relay))

    async def chaos(self, _: Request) -> Response:
        """Refuse, as Mailpit does when it runs without chaos."""
        refuse("Chaos is not enabled")


def _memory() -> int:
    """Give the most memory that this process has had, in bytes; 0 where the system won't tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
