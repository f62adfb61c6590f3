"""A small client for a running bindpost server: reads, waits for and deletes messages over HTTP."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from types import MappingProxyType
from typing import Final, Generic, TypeVar
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec

from .errors import BindpostError, ServerUnreachableError
from .fault_client import FaultClient
from .inbox_client import InboxClient, Listed
from .objects import (
    Address,
    Addressee,
    Attachment,
    Content,
    Decision,
    Deleted,
    Envelope,
    Event,
    EventFilter,
    Fields,
    FullMessage,
    HeaderField,
    Hop,
    Job,
    Listener,
    MailboxCounts,
    Message,
    MessageSummary,
    Node,
    Nodes,
    Object,
    Path,
    Recipient,
    Scenario,
    ScenarioPhase,
    Session,
    TranscriptLine,
    Trouble,
    Wanted,
)

__all__ = [
    "ANY_EVENT",
    "Address",
    "Addressee",
    "Attachment",
    "Client",
    "Content",
    "Decision",
    "Deleted",
    "Envelope",
    "Event",
    "EventFilter",
    "Fields",
    "FullMessage",
    "HeaderField",
    "Hop",
    "ImportRefusedError",
    "Job",
    "Listener",
    "ListenerBoundError",
    "MailboxCounts",
    "Message",
    "MessageNotFoundError",
    "MessageSummary",
    "Node",
    "Nodes",
    "Path",
    "Recipient",
    "ReleaseRefusedError",
    "Scenario",
    "ScenarioPhase",
    "ScenarioRefusedError",
    "Session",
    "TranscriptLine",
    "Trouble",
    "WaitRefusedError",
    "Wanted",
]

_API: Final = "/api/bindpost/v1"
_LONGEST_WAIT: Final = 300.0
"""Seconds that one request may wait; a longer wait is several requests."""
_LONGEST_WALK: Final = 30.0
"""Seconds that the server gives to a walk of its paths, or to an attempt to bind."""
_LONGEST_STOP: Final = 60.0
"""Seconds that the programs of a scenario may take to end."""
_SILENCE: Final = 60.0
"""Seconds in which a stream must say something; the server does so every 15."""
_CHUNK: Final = 64 * 1024
_UNIX: Final = "unix:"
_T = TypeVar("_T")
_M = TypeVar("_M", bound=Message)


class MessageNotFoundError(BindpostError):
    """The server has no message of this id."""


class ReleaseRefusedError(BindpostError):
    """The server would not release a message: its relay is off, or the addresses are not right."""


class ImportRefusedError(BindpostError):
    """The server would not import a message: it is empty or too large, or an address is none."""


class WaitRefusedError(BindpostError):
    """The server can't wait for this: a pattern is none of RE2's, a header field is not one."""


class ListenerBoundError(BindpostError):
    """The server has nothing to bind again: no such listener, or it is bound."""


class ScenarioRefusedError(BindpostError):
    """The server runs or stops no such scenario: it may not, it can't, or there is none."""


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


class _Page(Object, Generic[_T], frozen=True):
    messages: list[_T]
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
        self.url, userinfo = (url, None) if url.startswith(_UNIX) else _split(url)
        self._timeout = timeout
        self._tls = tls
        self._headers = {"Connection": "close"} | _authorization(userinfo, token)
        try:
            parts = urlsplit(self.url)
            usable = url.startswith(_UNIX) or (
                parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            )
        except ValueError:  # of the port, or of brackets
            usable = False
        if not usable:
            raise ServerUnreachableError(
                f"{self.url!r} is no server's URL; write http://HOST:PORT or unix:/path"
            )
        self._base = "" if url.startswith(_UNIX) else parts.path.rstrip("/")
        if mailbox == "":
            raise ServerUnreachableError("a mailbox has a name; without one, leave it out")
        if mailbox is not None:
            self._base += f"/mailbox/{quote(mailbox, safe='')}"

    def ready(self) -> bool:
        """Say whether every listener of the server is bound."""
        return self._ask("GET", "/readyz", passing=(503,))[0] == 200

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
        return self._listed(_Page[MessageSummary], limit, which)

    def _listed(
        self, kind: type[_Page[_T]], limit: int, which: Mapping[str, str | int | None]
    ) -> list[_T]:
        found: list[_T] = []
        before: int | None = None
        while True:
            wanted = min(limit - len(found), 1000) if limit else 1000
            query = _query(**which, limit=wanted, before=before)
            page = self._decode("GET", f"{_API}/messages{query}", kind)
            found += page.messages
            before = page.next
            if before is None or len(found) == limit:
                return found

    def mailboxes(self) -> tuple[MailboxCounts, ...]:
        """Give the mailboxes that may be seen, by name, with how much is in each."""
        return self._decode("GET", f"{_API}/mailboxes", _Mailboxes).mailboxes

    def message(self, message_id: str) -> Message:
        """Give a message by its id, or the newest for `latest`; raises `MessageNotFoundError`."""
        return self._decode("GET", f"{_API}/messages/{quote(message_id, safe='')}", Message)

    def full_message(self, message_id: str) -> FullMessage:
        """Give a message with its bytes; raises `MessageNotFoundError`."""
        path = f"{_API}/messages/{quote(message_id, safe='')}"
        return self._decode("GET", f"{path}?raw=true", FullMessage)

    def raw(self, message_id: str) -> bytes:
        """Give a message's bytes as the server received them; raises `MessageNotFoundError`."""
        return self._ask("GET", f"{_API}/messages/{quote(message_id, safe='')}/raw")[1]

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
        path = f"{_API}/wait"
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, min(deadline - time.monotonic(), _LONGEST_WAIT))
            query = _query(
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
            status, body = self._ask("GET", f"{path}{query}", wait=left, passing=(400,))
            if status == 400:
                raise WaitRefusedError(f"{self.url}: {body.decode('utf-8', 'replace')}")
            if status == 200:
                return self._read(body, kind, path)
            if time.monotonic() >= deadline:
                return None

    def delete(self, ids: Iterable[str]) -> Deleted:
        """Delete these messages."""
        return self._decode("DELETE", f"{_API}/messages", Deleted, {"ids": list(ids)})

    def delete_all(self) -> Deleted:
        """Delete all messages."""
        return self._decode("DELETE", f"{_API}/messages", Deleted, {"all": True})

    def release(self, message_id: str, to: Iterable[str] | None = None) -> Job:
        """
        Give a message to the relay, for these addresses or for its own recipients.

        Returns when it is queued; `releases` tells what becomes of it. Raises
        `MessageNotFoundError` and `ReleaseRefusedError`.
        """
        path = _release_path(message_id)
        status, answer = self._ask(
            "POST", path, {} if to is None else {"to": list(to)}, passing=(400,)
        )
        if status == 400:
            raise ReleaseRefusedError(
                f"{self.url} does not release message {message_id!r}: "
                f"{answer.decode('utf-8', 'replace')}"
            )
        return self._read(answer, Job, path)

    def releases(self, message_id: str) -> tuple[Job, ...]:
        """Give the relay's jobs of a message, newest first; raises `MessageNotFoundError`."""
        return self._decode("GET", _release_path(message_id), _Jobs).jobs

    def import_message(
        self, raw: bytes, *, sender: str | None = None, recipients: Iterable[str] = ()
    ) -> MessageSummary:
        """
        Give the server a message, which it keeps exactly as it is.

        What isn't told of its envelope is derived from its header; `session.derived` says so.
        Raises `ImportRefusedError`.
        """
        path = f"{_API}/import{_query(recipient=list(recipients), sender=sender)}"
        status, answer = self._ask("POST", path, raw, passing=(400, 413))
        if status in (400, 413):
            raise ImportRefusedError(answer.decode("utf-8", "replace"))
        return self._read(answer, MessageSummary, path)

    def listeners(self) -> tuple[Listener, ...]:
        """Give every SMTP listener as it is now."""
        return self._decode("GET", f"{_API}/listeners", _Listeners).listeners

    def nodes(self) -> Nodes:
        """Give the nodes that have the inbox, with their listeners."""
        return self._decode("GET", f"{_API}/nodes", Nodes)

    def paths(self) -> tuple[Path, ...]:
        """Have every listener's bind path walked, and give what was found."""
        body = self._ask("GET", f"{_API}/paths", wait=_LONGEST_WALK)[1]
        return self._read(body, _Paths, f"{_API}/paths").paths

    def rebind(self, number: int) -> Listener:
        """
        Have a listener bound again that failed or retries, and give it as it is afterwards.

        Raises `ListenerBoundError` when there is nothing to be bound again.
        """
        path = f"{_API}/listeners/{number}/rebind"
        status, body = self._ask("POST", path, wait=_LONGEST_WALK, passing=(404, 409))
        if status >= 400:
            raise ListenerBoundError(f"{self.url}: {body.decode('utf-8', 'replace')}")
        return self._read(body, Listener, path)

    def scenarios(self) -> tuple[Scenario, ...]:
        """Give every lab scenario, and how its last run stands."""
        return self._decode("GET", f"{_API}/scenarios", _Scenarios).scenarios

    def run_scenario(self, name: str, *, only: str | None = None) -> Scenario:
        """
        Have a lab scenario run, or `only` one of its phases; returns when the run has begun.

        Raises `ScenarioRefusedError` with what the server says.
        """
        return self._ask_for_run(name, f"run{_query(only=only)}")

    def stop_scenario(self, name: str) -> Scenario:
        """End a run; returns when all has ended. Raises `ScenarioRefusedError`."""
        return self._ask_for_run(name, "stop")

    def _ask_for_run(self, name: str, verb: str) -> Scenario:
        path = f"{_API}/scenarios/{quote(name, safe='')}/{verb}"
        status, body = self._ask("POST", path, wait=_LONGEST_STOP, passing=(403, 404, 409))
        if status >= 400:
            raise ScenarioRefusedError(f"{self.url}: {body.decode('utf-8', 'replace')}")
        return self._read(body, Scenario, path)

    @property
    def faults(self) -> FaultClient:
        """The faults on purpose of the server."""
        return FaultClient(self)

    @property
    def inbox(self) -> InboxClient:
        """The inbox of the server as a file."""
        return InboxClient(self)

    def events(self, which: EventFilter = ANY_EVENT, *, limit: int = 50) -> list[Event]:
        """Give the newest events, newest first; `limit` 0 means all."""
        found: list[Event] = []
        before = which.before
        while True:
            wanted = min(limit - len(found), 1000) if limit else 1000
            query = _query(**_parameters(which) | {"limit": wanted, "before": before})
            page = self._decode("GET", f"{_API}/events{query}", _Events)
            found += page.events
            before = page.next
            if before is None or len(found) == limit:
                return found

    def follow_events(self, which: EventFilter = ANY_EVENT) -> Iterator[Event]:
        """
        Give events as they happen, those behind `which.after` first, until the server goes down.

        To go on afterwards, follow again with the last event's cursor as `after`.
        """
        path = f"{_API}/events/stream"
        with self._answer("GET", path + _query(**_parameters(which)), wait=_SILENCE) as response:
            self._check(response, path)
            for line in response:
                if line.startswith(b"data: "):
                    yield self._read(line.removeprefix(b"data: "), Event, path)

    def export_events(self, form: str = "json", which: EventFilter = ANY_EVENT) -> Iterator[bytes]:
        """Give all events that match as a file in a form that docs/api.md lists, in pieces."""
        return self._pieces(f"{_API}/events/export", _parameters(which) | {"format": form})

    def _list_inbox(self, limit: int, which: Mapping[str, str | int | None]) -> list[Listed]:
        return self._listed(_Page[Listed], limit, which)

    def _pieces(self, path: str, query: Mapping[str, str | float | None]) -> Iterator[bytes]:
        """Give a long answer in pieces."""
        with self._answer("GET", path + _query(**query), wait=_SILENCE) as response:
            self._check(response, path)
            while chunk := response.read(_CHUNK):
                yield chunk

    def _decode(self, method: str, path: str, kind: type[_T], body: object = None) -> _T:
        return self._read(self._ask(method, path, body)[1], kind, path)

    def _read(self, body: bytes, kind: type[_T], path: str) -> _T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            raise self._unusable(path, f"the answer is none of bindpost's: {error}") from None

    def _ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        wait: float = 0.0,
        passing: tuple[int, ...] = (),
    ) -> tuple[int, bytes]:
        """Send a request; give status and body of an answer that is fine or `passing`."""
        with self._answer(method, path, body, wait=wait) as response:
            if response.status not in passing:
                self._check(response, path)
            return response.status, response.read()

    @contextmanager
    def _answer(
        self, method: str, path: str, body: object = None, *, wait: float = 0.0
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request and give the answer, which is read inside the block."""
        with closing(self._connection(self._timeout + wait)) as connection:
            try:
                content = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
                connection.request(method, self._base + path, content, self._headers)
                yield connection.getresponse()
            except TimeoutError:
                raise self._unusable(path, f"no answer in {self._timeout:g} seconds") from None
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                raise self._unusable(path, reason) from error

    def _check(self, response: http.client.HTTPResponse, path: str) -> None:
        """Raise what an answer that is not fine means."""
        if 200 <= response.status < 300:
            return
        if response.status == 404 and f"{_API}/messages/" in path:
            raise self._missing(_id_in(path))
        if response.status == 401:
            raise ServerUnreachableError(
                f"{self.url} wants a login, and {self._offered}; put USER:PASSWORD@ before the "
                "host in its URL, or a token into BINDPOST_TOKEN"
            )
        text = response.read(500).decode("utf-8", "replace")
        raise ServerUnreachableError(
            f"asking {self.url} for {_plain(path)} gave {response.status}: {text}"
        )

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self.url.startswith(_UNIX):
            return _UnixConnection(self.url.removeprefix(_UNIX), timeout)
        parts = urlsplit(self.url)
        assert parts.hostname is not None  # __init__ has seen to it
        if parts.scheme == "https":
            return http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=timeout, context=self._tls
            )
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)

    @property
    def _offered(self) -> str:
        return "refused this one" if "Authorization" in self._headers else "none was given"

    def _missing(self, message_id: str) -> MessageNotFoundError:
        if message_id == "latest":
            return MessageNotFoundError(f"{self.url} has no mail yet")
        return MessageNotFoundError(
            f"{self.url} has no message {message_id!r}; `bindpost mail list` shows its mail"
        )

    def _unusable(self, path: str, reason: str) -> ServerUnreachableError:
        return ServerUnreachableError(
            f"asking {self.url} for {_plain(path)} failed: {reason}; start a server with "
            "`bindpost serve`, or name the one that runs with --server URL"
        )


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _split(url: str) -> tuple[str, str | None]:
    """Take the credentials out of a URL, whatever else is wrong with it."""
    scheme, slashes, rest = url.partition("://") if "://" in url else ("", "", url)
    userinfo, at, address = rest.rpartition("@")
    return f"{scheme}{slashes}{address}", userinfo if at else None


def _authorization(userinfo: str | None, token: str | None) -> dict[str, str]:
    """Give the Authorization field, if there is anything to log in with."""
    if userinfo is not None:
        name, _, password = userinfo.partition(":")
        pair = f"{unquote(name)}:{unquote(password)}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    if token is None:
        return {}
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise ServerUnreachableError("the token has characters that no token can have")
    return {"Authorization": f"Bearer {token}"}


def _query(**values: str | float | Iterable[str] | None) -> str:
    """Give the query string: a value that is None is left out, one of several comes repeatedly."""
    given = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in values.items()
        if value is not None
    }
    return f"?{urlencode(given, doseq=True)}"


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


def _plain(path: str) -> str:
    return path.partition("?")[0]


def _release_path(message_id: str) -> str:
    return f"{_API}/messages/{quote(message_id, safe='')}/release"


def _id_in(path: str) -> str:
    return path.partition("/messages/")[2].partition("/")[0]
