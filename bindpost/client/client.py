"""The client: a method for each thing that a running server can be asked."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeVar
from urllib.parse import quote

from ..objects import (
    Deleted,
    Event,
    EventFilter,
    FullMessage,
    Job,
    Listener,
    MailboxCounts,
    Message,
    MessageSummary,
    Nodes,
    Object,
    Path,
    Scenario,
    Wanted,
)
from .errors import (
    ImportRefusedError,
    ListenerBoundError,
    ReleaseRefusedError,
    ScenarioRefusedError,
    WaitRefusedError,
)
from .faults import FaultClient
from .http import API, Api, listed, message_path, query
from .inbox import InboxClient

_LONGEST_WAIT: Final = 300.0
"""Seconds that one request may wait; a longer wait is several requests."""
_LONGEST_WALK: Final = 30.0
"""Seconds that the server gives to a walk of its paths, or to an attempt to bind."""
_LONGEST_STOP: Final = 60.0
"""Seconds that the programs of a scenario may take to end."""
_SILENCE: Final = 60.0
"""Seconds in which a stream must say something; the server does so every 15."""
_M = TypeVar("_M", bound=Message)


ANY_EVENT: Final = EventFilter()
"""The filter that leaves nothing out."""


class _Events(Object, frozen=True):
    events: list[Event]
    next: int | None


class _Jobs(Object, frozen=True):
    jobs: tuple[Job, ...]


class _Listeners(Object, frozen=True):
    listeners: tuple[Listener, ...]


class _Mailboxes(Object, frozen=True):
    mailboxes: tuple[MailboxCounts, ...]


class _Paths(Object, frozen=True):
    paths: tuple[Path, ...]


class _Scenarios(Object, frozen=True):
    scenarios: tuple[Scenario, ...]


class _Page(Object, frozen=True):
    messages: list[MessageSummary]
    next: int | None


class Client:
    """
    Talks to the server at `url`: `http://[USER:PASSWORD@]HOST:PORT`, `https://...` or `unix:/path`.

    `token` is a bearer token; a user in the URL counts more. Neither is in `self.url`, nor in any
    error. `tls` says whom to trust, else the system's authorities and what SSL_CERT_FILE names.
    `mailbox` is the one that is meant, None for the whole inbox, or for the only one that the login
    opens. `timeout` is in seconds, for each answer. Each call makes a connection of its own, so one
    client may be used by many threads. Every method raises `ServerUnreachableError` when there is
    no usable answer.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 10,
        *,
        token: str | None = None,
        tls: ssl.SSLContext | None = None,
        mailbox: str | None = None,
    ) -> None:
        self._api = Api(url, timeout, token=token, tls=tls, mailbox=mailbox)
        self.url = self._api.url

    def ready(self) -> bool:
        """Say whether every listener of the server is bound."""
        return self._api.ask("GET", "/readyz", passing=(503,))[0] == 200

    def messages(
        self,
        limit: int = 50,
        *,
        recipient: str | None = None,
        sender: str | None = None,
        subject: str | None = None,
        after: int | None = None,
    ) -> list[MessageSummary]:
        """
        Give the newest messages, newest first; `limit` 0 means all.

        `recipient`, `sender` and `subject` are as for `wait`; `after` is a cursor that they must
        lie behind.
        """
        which = {"recipient": recipient, "sender": sender, "subject": subject, "after": after}

        def ask(wanted: int, before: int | None) -> tuple[list[MessageSummary], int | None]:
            asked = query(**which, limit=wanted, before=before)
            page = self._api.decode("GET", f"{API}/messages{asked}", _Page)
            return page.messages, page.next

        return listed(limit, ask)

    def mailboxes(self) -> tuple[MailboxCounts, ...]:
        """Give the mailboxes that may be seen, by name, with how much is in each."""
        return self._api.decode("GET", f"{API}/mailboxes", _Mailboxes).mailboxes

    def message(self, message_id: str) -> Message:
        """Give a message by its id, or the newest for `latest`; raises `MessageNotFoundError`."""
        return self._api.decode("GET", message_path(message_id), Message)

    def full_message(self, message_id: str) -> FullMessage:
        """Give a message with its bytes; raises `MessageNotFoundError`."""
        return self._api.decode("GET", f"{message_path(message_id)}?raw=true", FullMessage)

    def raw(self, message_id: str) -> bytes:
        """Give a message's bytes as the server received them; raises `MessageNotFoundError`."""
        return self._api.ask("GET", f"{message_path(message_id)}/raw")[1]

    def wait(
        self,
        *,
        recipient: str | None = None,
        sender: str | None = None,
        subject: str | None = None,
        subject_regex: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        header_regexes: Mapping[str, str] = MappingProxyType({}),
        has_link: bool = False,
        after: int | None = None,
        timeout: float = 30,
    ) -> Message | None:
        """
        Give the first message that matches as soon as there is one, None after `timeout` seconds.

        `recipient` and `sender` are whole envelope addresses, `subject` is a part of the subject;
        all ignore case. `headers` are decoded values of header fields by their names. Patterns are
        RE2's. One that is already there counts, the newest; with `after`, a cursor, the first one
        behind it. Raises `WaitRefusedError` for what the server can't wait for.
        """
        wanted = Wanted(
            recipient=recipient,
            sender=sender,
            subject=subject,
            subject_regex=subject_regex,
            headers=headers,
            header_regexes=header_regexes,
            has_link=has_link,
        )
        return self._wait(wanted, Message, after=after, timeout=timeout)

    def wait_full(
        self, wanted: Wanted, *, after: int | None = None, timeout: float = 30
    ) -> FullMessage | None:
        """Wait as `wait` does, and give the message with its bytes."""
        return self._wait(wanted, FullMessage, after=after, timeout=timeout)

    def _wait(
        self, wanted: Wanted, kind: type[_M], *, after: int | None, timeout: float
    ) -> _M | None:
        path = f"{API}/wait"
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, min(deadline - time.monotonic(), _LONGEST_WAIT))
            asked = query(
                recipient=wanted.recipient,
                sender=wanted.sender,
                subject=wanted.subject,
                subject_regex=wanted.subject_regex,
                header=wanted.header_lines,
                header_regex=wanted.header_regex_lines,
                has_link=wanted.has_link or None,
                after=after,
                timeout=left,
                raw=kind is FullMessage or None,
            )
            status, body = self._api.ask("GET", f"{path}{asked}", wait=left, passing=(400,))
            if status == 400:
                raise WaitRefusedError(f"{self.url}: {body.decode('utf-8', 'replace')}")
            if status == 200:
                return self._api.read(body, kind, path)
            if time.monotonic() >= deadline:
                return None

    def delete(self, ids: Iterable[str]) -> Deleted:
        """Delete these messages."""
        return self._api.decode("DELETE", f"{API}/messages", Deleted, {"ids": list(ids)})

    def delete_all(self) -> Deleted:
        """Delete all messages."""
        return self._api.decode("DELETE", f"{API}/messages", Deleted, {"all": True})

    def release(self, message_id: str, to: Iterable[str] | None = None) -> Job:
        """
        Give a message to the relay, for these addresses or for its own recipients.

        Returns when it is queued; `releases` tells what becomes of it. Raises
        `MessageNotFoundError` and `ReleaseRefusedError`.
        """
        path = _release_path(message_id)
        status, answer = self._api.ask(
            "POST", path, {} if to is None else {"to": list(to)}, passing=(400,)
        )
        if status == 400:
            raise ReleaseRefusedError(
                f"{self.url} does not release message {message_id!r}: "
                f"{answer.decode('utf-8', 'replace')}"
            )
        return self._api.read(answer, Job, path)

    def releases(self, message_id: str) -> tuple[Job, ...]:
        """Give the relay's jobs of a message, newest first; raises `MessageNotFoundError`."""
        return self._api.decode("GET", _release_path(message_id), _Jobs).jobs

    def import_message(
        self, raw: bytes, *, sender: str | None = None, recipients: Iterable[str] = ()
    ) -> MessageSummary:
        """
        Give the server a message, which it keeps exactly as it is.

        What isn't told of its envelope is derived from its header; `session.derived` says so.
        Raises `ImportRefusedError`.
        """
        path = f"{API}/import{query(recipient=list(recipients), sender=sender)}"
        status, answer = self._api.ask("POST", path, raw, passing=(400, 413))
        if status in (400, 413):
            raise ImportRefusedError(answer.decode("utf-8", "replace"))
        return self._api.read(answer, MessageSummary, path)

    def listeners(self) -> tuple[Listener, ...]:
        """Give every SMTP listener as it is now."""
        return self._api.decode("GET", f"{API}/listeners", _Listeners).listeners

    def nodes(self) -> Nodes:
        """Give the nodes that have the inbox, with their listeners."""
        return self._api.decode("GET", f"{API}/nodes", Nodes)

    def paths(self) -> tuple[Path, ...]:
        """Have every listener's bind path walked, and give what was found."""
        body = self._api.ask("GET", f"{API}/paths", wait=_LONGEST_WALK)[1]
        return self._api.read(body, _Paths, f"{API}/paths").paths

    def rebind(self, number: int) -> Listener:
        """
        Have a listener bound again that failed or retries, and give it as it is afterwards.

        Raises `ListenerBoundError` when there is nothing to be bound again.
        """
        path = f"{API}/listeners/{number}/rebind"
        status, body = self._api.ask("POST", path, wait=_LONGEST_WALK, passing=(404, 409))
        if status >= 400:
            raise ListenerBoundError(f"{self.url}: {body.decode('utf-8', 'replace')}")
        return self._api.read(body, Listener, path)

    def scenarios(self) -> tuple[Scenario, ...]:
        """Give every lab scenario, and how its last run stands."""
        return self._api.decode("GET", f"{API}/scenarios", _Scenarios).scenarios

    def run_scenario(self, name: str, *, only: str | None = None) -> Scenario:
        """
        Have a lab scenario run, or `only` one of its phases; returns when the run has begun.

        Raises `ScenarioRefusedError` with what the server says.
        """
        return self._ask_for_run(name, f"run{query(only=only)}")

    def stop_scenario(self, name: str) -> Scenario:
        """End a run; returns when all has ended. Raises `ScenarioRefusedError`."""
        return self._ask_for_run(name, "stop")

    def _ask_for_run(self, name: str, verb: str) -> Scenario:
        path = f"{API}/scenarios/{quote(name, safe='')}/{verb}"
        status, body = self._api.ask("POST", path, wait=_LONGEST_STOP, passing=(403, 404, 409))
        if status >= 400:
            raise ScenarioRefusedError(f"{self.url}: {body.decode('utf-8', 'replace')}")
        return self._api.read(body, Scenario, path)

    @property
    def faults(self) -> FaultClient:
        """The faults on purpose of the server."""
        return FaultClient(self._api)

    @property
    def inbox(self) -> InboxClient:
        """The inbox of the server as a file."""
        return InboxClient(self._api)

    def events(self, which: EventFilter = ANY_EVENT, *, limit: int = 50) -> list[Event]:
        """Give the newest events, newest first; `limit` 0 means all."""

        def ask(wanted: int, before: int | None) -> tuple[list[Event], int | None]:
            asked = query(**_parameters(which) | {"limit": wanted, "before": before})
            page = self._api.decode("GET", f"{API}/events{asked}", _Events)
            return page.events, page.next

        return listed(limit, ask, which.before)

    def follow_events(self, which: EventFilter = ANY_EVENT) -> Iterator[Event]:
        """
        Give events as they happen, those behind `which.after` first, until the server goes down.

        To go on afterwards, follow again with the last event's cursor as `after`.
        """
        path = f"{API}/events/stream"
        with self._api.answer("GET", path + query(**_parameters(which)), wait=_SILENCE) as response:
            for line in response:
                if line.startswith(b"data: "):
                    yield self._api.read(line.removeprefix(b"data: "), Event, path)

    def export_events(self, form: str = "json", which: EventFilter = ANY_EVENT) -> Iterator[bytes]:
        """Give all events that match as a file in a form that docs/api.md lists, in pieces."""
        asked = query(**_parameters(which) | {"format": form})
        return self._api.pieces(f"{API}/events/export{asked}", wait=_SILENCE)


def _parameters(which: EventFilter) -> dict[str, str | float | None]:
    return {
        "id": ",".join(map(str, which.ids)) or None,
        "source": ",".join(which.sources) or None,
        "node": ",".join(which.nodes) or None,
        "level": which.level,
        "since": None if which.since is None else which.since.isoformat(),
        "until": None if which.until is None else which.until.isoformat(),
        "text": which.text or None,
        "after": which.after,
        "before": which.before,
    }


def _release_path(message_id: str) -> str:
    return f"{message_path(message_id)}/release"
