"""
`/metrics`: figures in Prometheus's text format, 0.0.4.

Mailpit's eleven by its names, so that a dashboard made for it works, and ours beside them. The
format is lines of text; prometheus-client would bring a registry for the whole process, in which
two apps would meet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bindpost.proxy.provider import ListenerState

from ..activity import Activity
from . import mailpit_objects
from .listener_objects import Listener
from .listening import Listens
from .node_objects import NODE_STATES
from .nodes import TellsNodes

_FORMAT: Final = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Labels = Mapping[str, str]
Samples = Sequence[tuple[Labels, int]]


class Metrics:
    """
    The handler.

    `figures` gives what Mailpit's API says of itself, `listeners` knows where mail is taken,
    `nodes` who has the inbox, `event_counts` has the events of this run by their number.
    """

    def __init__(
        self,
        figures: Callable[[], Awaitable[mailpit_objects.Info]],
        activity: Activity,
        listeners: Listens | None,
        nodes: TellsNodes | None,
        event_counts: Mapping[int, int],
    ) -> None:
        self._figures = figures
        self._activity = activity
        self._listeners = listeners
        self._nodes = nodes
        self._event_counts = event_counts

    def routes(self) -> list[Route]:
        """Give the route."""
        return [Route("/metrics", self.metrics)]

    async def metrics(self, _: Request) -> Response:
        """Answer with all figures as they are now."""
        families = [*_mailpit(await self._figures()), *self._own()]
        return Response("".join(families), headers={"Content-Type": _FORMAT})

    def _own(self) -> Iterator[str]:
        accepted = self._activity.accepted_at.items()
        yield family(
            "bindpost_messages_accepted_total",
            "Messages taken by SMTP since the start, by the endpoint that took them.",
            [({"endpoint": endpoint}, count) for endpoint, count in accepted],
            kind="counter",
        )
        # A copy, which is made at once: another thread counts.
        yield family(
            "bindpost_events_total",
            "Events logged since the start, by their number.",
            [
                ({"event_id": str(number)}, count)
                for number, count in sorted(dict(self._event_counts).items())
            ],
            kind="counter",
        )
        nodes = [] if self._nodes is None else self._nodes.nodes().nodes
        yield family(
            "bindpost_nodes",
            "Nodes that have this inbox, by their state; this one among them.",
            [
                ({"state": state}, sum(node.state == state for node in nodes))
                for state in NODE_STATES
                if nodes
            ],
        )
        listeners = [] if self._listeners is None else self._listeners.listeners()
        yield family(
            "bindpost_sessions",
            "SMTP sessions that are open.",
            [(_names(listener), listener.sessions) for listener in listeners],
        )
        yield family(
            "bindpost_listener_state",
            "1 for the state that a listener is in, 0 for the others.",
            [
                ({**_names(listener), "state": state.value}, listener.state is state)
                for listener in listeners
                for state in ListenerState
            ],
        )
        yield family(
            "bindpost_listener_error_code",
            "The Winsock code of a listener's last error, 10050 for instance; 0 = none.",
            [
                (_names(listener), listener.last_error.code if listener.last_error else 0)
                for listener in listeners
            ],
        )


def _names(listener: Listener) -> Labels:
    return {
        "listener": str(listener.number),
        "endpoint": listener.endpoint,
        "via": listener.via,
    }


def _mailpit(info: mailpit_objects.Info) -> Iterator[str]:
    """Give Mailpit's gauges; that the totals are gauges, too, is its choice."""
    stats = info.runtime_stats
    for name, text, value in (
        ("database_size_bytes", "Size of the messages", info.database_size),
        ("memory_usage_bytes", "Most memory that the process has had", stats.memory),
        ("messages", "Messages in the inbox", info.messages),
        ("messages_deleted_total", "Messages deleted since the start", stats.messages_deleted),
        ("messages_unread", "Messages that are unread", info.unread),
        (
            "smtp_accepted_size_bytes_total",
            "Bytes taken by SMTP since the start",
            stats.smtp_accepted_size,
        ),
        ("smtp_accepted_total", "Messages taken by SMTP since the start", stats.smtp_accepted),
        ("smtp_ignored_total", "Messages ignored, which bindpost never does", stats.smtp_ignored),
        ("smtp_rejected_total", "Messages refused since the start", stats.smtp_rejected),
        ("uptime_seconds", "Seconds since the start", stats.uptime),
    ):
        yield family(f"mailpit_{name}", f"{text}.", [({}, value)])
    tags = [({"tag": tag}, count) for tag, count in info.tags.items()]
    yield family("mailpit_tag_messages", "Messages with a tag.", tags)


def family(
    name: str, text: str, samples: Samples, *, kind: Literal["counter", "gauge"] = "gauge"
) -> str:
    """Write a family of samples; nothing is said of one that has none."""
    if not samples:
        return ""
    lines = [f"# HELP {name} {text}\n# TYPE {name} {kind}\n"]
    for labels, value in samples:
        pairs = ",".join(f'{key}="{label.translate(_ESCAPES)}"' for key, label in labels.items())
        lines.append(f"{name}{{{pairs}}} {value:d}\n" if pairs else f"{name} {value:d}\n")
    return "".join(lines)
