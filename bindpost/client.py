"""A small client for a running bindpost server: reads, waits for and deletes messages over HTTP."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from .errors import BindpostError, ServerUnreachableError

_API: Final = "/api/bindpost/v1"
_LONGEST_WAIT: Final = 300.0
"""Seconds that one request may wait; a longer wait is several requests."""
_SILENCE: Final = 60.0
"""Seconds in which a stream must say something; the server does so every 15."""
_CHUNK: Final = 64 * 1024
_UNIX: Final = "unix:"
_T = TypeVar("_T")


class MessageNotFoundError(BindpostError):
    """The server has no message of this id."""


class ReleaseRefusedError(BindpostError):
    """The server would not release a message: its relay is off, or the addresses are not right."""


class ImportRefusedError(BindpostError):
    """The server would not import a message: it is empty or too large, or an address is none."""


class _Object(msgspec.Struct, frozen=True, kw_only=True):
    """What the server answered; fields that this client doesn't know are passed over."""


class Recipient(_Object, frozen=True):
    """One accepted RCPT and its ESMTP parameters."""

    address: str
    parameters: Mapping[str, str | None] = {}


class Envelope(_Object, frozen=True):
    """The SMTP envelope; `reverse_path` is empty for the null reverse-path."""

    reverse_path: str
    recipients: tuple[Recipient, ...]
    parameters: Mapping[str, str | None] = {}


class Session(_Object, frozen=True):
    """
    What was known of the connection; `peer` is the real peer as `host:port`, None if unknown.

    Of an imported message `via` is `import`, and `derived` names the parts of its envelope that
    were taken from its header: `reverse_path`, `recipients`.
    """

    session_id: str
    started: datetime
    listener: str
    via: str
    personality: str
    peer: str | None = None
    helo: str | None = None
    esmtp: bool = False
    tls_version: str | None = None
    tls_cipher: str | None = None
    login: str | None = None
    proxy_tlvs: Mapping[str, str | int] = {}
    derived: tuple[str, ...] = ()


class Fields(_Object, frozen=True):
    """The header fields of a list row, decoded; empty when absent."""

    subject: str
    from_: str = msgspec.field(name="from")
    to: str
    cc: str
    message_id: str


class MessageSummary(_Object, frozen=True):
    """
    A message as a list shows it.

    `cursor` is its place in the order of acceptance; give it as `after` to wait for the next one.
    `size` is in bytes.
    """

    cursor: int
    id: str
    received: datetime
    size: int
    read: bool
    envelope: Envelope
    session: Session
    fields: Fields

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses of the envelope's recipients."""
        return tuple(recipient.address for recipient in self.envelope.recipients)


class Address(_Object, frozen=True):
    """A mailbox of a header field."""

    name: str
    address: str


class HeaderField(_Object, frozen=True):
    """A header field: `raw` is its value unfolded as it came, `text` decoded."""

    name: str
    raw: str
    text: str


class Attachment(_Object, frozen=True):
    """A part that is no body text; size and checksums are those of the decoded bytes."""

    part_id: str
    file_name: str
    content_type: str
    content_id: str
    size: int
    md5: str
    sha1: str
    sha256: str


class Content(_Object, frozen=True):
    """What a message shows to a reader; `date` is None when its field is absent or unreadable."""

    subject: str
    from_: tuple[Address, ...] = msgspec.field(name="from")
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    message_id: str
    date: datetime | None
    headers: tuple[HeaderField, ...]
    text: str
    html: str
    attachments: tuple[Attachment, ...]
    inline: tuple[Attachment, ...]
    snippet: str
    defects: tuple[str, ...]


class TranscriptLine(_Object, frozen=True):
    """A line of the session: milliseconds since its start, `C`, `S` or `-`, and what was said."""

    milliseconds: int
    speaker: str
    text: str


class Message(MessageSummary, frozen=True, kw_only=True):
    """A message with its content and the transcript of the session that brought it."""

    content: Content
    transcript: tuple[TranscriptLine, ...]

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return self.content.subject

    @property
    def text(self) -> str:
        """The text body."""
        return self.content.text

    @property
    def html(self) -> str:
        """The HTML body."""
        return self.content.html


class Deleted(_Object, frozen=True):
    """How many messages were deleted, and which of the ids named none."""

    deleted: int
    unknown: tuple[str, ...]


class Addressee(_Object, frozen=True):
    """
    A recipient of a job: `state` is `queued`, `sent` or `failed`.

    `code` and `reply` are the relay server's last words; without a code, `reply` is what went wrong
    before it could say anything.
    """

    address: str
    state: str
    code: int | None = None
    reply: str = ""


class Job(_Object, frozen=True):
    """
    A message on its way to the relay's server: `queued`, `sending`, `sent` or `failed`.

    `kind` is `release` or `automatic`, `due` when the next attempt comes, None when there is none.
    `error` is what the last attempt met with.
    """

    id: int
    message_id: str
    kind: str
    state: str
    attempts: int
    created: datetime
    due: datetime | None
    error: str
    recipients: tuple[Addressee, ...]


class Event(_Object, frozen=True):
    """
    An event that the server keeps.

    `cursor` is its place in the order of keeping, `level` is `error`, `warning` or `information`,
    `message` the sentence with the insertion strings put in, `fields` what came with it, `error`
    what is known of the failure underneath.
    """

    cursor: int
    time: datetime
    source: str
    id: int
    level: str
    category: str
    computer: str
    message: str
    strings: tuple[str, ...] = ()
    fields: Mapping[str, Any] = {}
    error: Mapping[str, str] = {}
    logger: str = ""
    process_id: int = 0
    thread_id: int = 0


class EventFilter(_Object, frozen=True):
    """
    Which events; every condition that is set must hold.

    `ids` and `sources` list what is allowed. `level` is the least grave: `error`, `warning`,
    `information`. `since` and `until` are inclusive, and aware. `text` is a part of the sentence,
    in any case. `after` and `before` are cursors that the event must lie between.
    """

    ids: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    level: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    after: int | None = None
    before: int | None = None


ANY_EVENT: Final = EventFilter()
"""The filter that leaves nothing out."""


class _Events(_Object, frozen=True):
    events: list[Event]
    next: int | None


class _Jobs(_Object, frozen=True):
    jobs: tuple[Job, ...]


class _Page(_Object, frozen=True):
    messages: list[MessageSummary]
    next: int | None


class Client:
    """
    Talks to the server at `url`: `http://HOST:PORT`, `https://...` or `unix:/path`.

    `timeout` is in seconds, for each answer. Each call makes a connection of its own, so one client
    may be used by many threads. Every method raises `ServerUnreachableError` when there is no
    usable answer.
    """

    def __init__(self, url: str, timeout: float = 10) -> None:
        self.url = url
        self._timeout = timeout
        parts = urlsplit(url)
        self._base = "" if url.startswith(_UNIX) else parts.path.rstrip("/")
        try:
            usable = url.startswith(_UNIX) or (
                parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            )
        except ValueError:  # of the port
            usable = False
        if not usable:
            raise ServerUnreachableError(
                f"{url!r} is no server's URL; write http://HOST:PORT or unix:/path"
            )

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
        """Give the newest messages that match as for `wait`, newest first; `limit` 0 means all."""
        found: list[MessageSummary] = []
        before: int | None = None
        while True:
            wanted = min(limit - len(found), 1000) if limit else 1000
            query = _query(
                limit=wanted,
                before=before,
                recipient=recipient,
                sender=sender,
                subject=subject,
                after=after,
            )
            page = self._decode("GET", f"{_API}/messages{query}", _Page)
            found += page.messages
            before = page.next
            if before is None or len(found) == limit:
                return found

    def message(self, message_id: str) -> Message:
        """Give a message by its id, or the newest for `latest`; raises `MessageNotFoundError`."""
        return self._decode("GET", f"{_API}/messages/{quote(message_id, safe='')}", Message)

    def raw(self, message_id: str) -> bytes:
        """Give a message's bytes as the server received them; raises `MessageNotFoundError`."""
        return self._ask("GET", f"{_API}/messages/{quote(message_id, safe='')}/raw")[1]

    def wait(
        self,
        *,
        recipient: str | None = None,
        sender: str | None = None,
        subject: str | None = None,
        after: int | None = None,
        timeout: float = 30,
    ) -> Message | None:
        """
        Give the first message that matches as soon as there is one, None after `timeout` seconds.

        `recipient` and `sender` are whole envelope addresses, `subject` is a part of the subject;
        all ignore case. One that is already there counts, the newest; with `after`, a cursor, the
        first one behind it.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, min(deadline - time.monotonic(), _LONGEST_WAIT))
            query = _query(
                recipient=recipient, sender=sender, subject=subject, after=after, timeout=left
            )
            status, body = self._ask("GET", f"{_API}/wait{query}", wait=left)
            if status == 200:
                return self._read(body, Message, f"{_API}/wait")
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
        told = [("recipient", address) for address in recipients]
        if sender is not None:
            told.append(("sender", sender))
        path = f"{_API}/import?{urlencode(told)}"
        status, answer = self._ask("POST", path, raw, passing=(400, 413))
        if status in (400, 413):
            raise ImportRefusedError(answer.decode("utf-8", "replace"))
        return self._read(answer, MessageSummary, path)

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
        path = f"{_API}/events/export"
        query = _query(**_parameters(which) | {"format": form})
        with self._answer("GET", path + query, wait=_SILENCE) as response:
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
                connection.request(method, self._base + path, content, {"Connection": "close"})
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
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)

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


def _query(**values: str | float | None) -> str:
    given = {name: value for name, value in values.items() if value is not None}
    return f"?{urlencode(given)}"


def _parameters(which: EventFilter) -> dict[str, str | float | None]:
    return {
        "id": ",".join(map(str, which.ids)) or None,
        "source": ",".join(which.sources) or None,
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
