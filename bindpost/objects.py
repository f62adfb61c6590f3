"""What the server's API tells, as frozen values: the same whoever asks, a program or a test."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from types import MappingProxyType
from typing import Any

import msgspec


class Object(msgspec.Struct, frozen=True, kw_only=True):
    """What the server answered; fields that this client doesn't know are passed over."""


class Recipient(Object, frozen=True):
    """One accepted RCPT and its ESMTP parameters."""

    address: str
    parameters: Mapping[str, str | None] = {}


class Envelope(Object, frozen=True):
    """The SMTP envelope; `reverse_path` is empty for the null reverse-path."""

    reverse_path: str
    recipients: tuple[Recipient, ...]
    parameters: Mapping[str, str | None] = {}


class ClientCertificate(Object, frozen=True):
    """
    The certificate by which a client has shown in TLS who it is.

    `sha256` is its fingerprint; `name` is the first e-mail address of its subjectAltName, else its
    common name.
    """

    subject: str
    issuer: str
    sha256: str
    name: str


class Session(Object, frozen=True):
    """
    What was known of the connection; `peer` is the real peer as `host:port`, None if unknown.

    Of an imported message `via` is `import`, and `derived` names the parts of its envelope that
    were taken from its header: `reverse_path`, `recipients`. `faults` are those on purpose that
    struck the session since the message before; a bounce that one made has `via` = `bounce`.
    `xclient` and `xforward` are what a trusted client told of another by these commands. `moved` is
    when the message was brought here from another inbox, `node` the node that took it, where
    several may have the inbox.
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
    client_certificate: ClientCertificate | None = None
    login: str | None = None
    proxy_tlvs: Mapping[str, str | int] = {}
    derived: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    lmtp: bool = False
    xclient: Mapping[str, str] = {}
    xforward: Mapping[str, str] = {}
    moved: datetime | None = None
    node: str | None = None


class Fields(Object, frozen=True):
    """The header fields of a list row, decoded; empty when absent."""

    subject: str
    from_: str = msgspec.field(name="from")
    to: str
    cc: str
    message_id: str


class MessageSummary(Object, frozen=True):
    """
    A message as a list shows it.

    `cursor` is its place in the order of acceptance; give it as `after` to wait for the next one.
    `size` is in bytes. `mailboxes` are those that it is in, as far as the login may know.
    """

    cursor: int
    id: str
    received: datetime
    size: int
    read: bool
    envelope: Envelope
    session: Session
    fields: Fields
    mailboxes: tuple[str, ...] = ()

    @property
    def sender(self) -> str:
        """The address of the envelope's sender, empty for the null reverse-path."""
        return self.envelope.reverse_path

    @property
    def recipients(self) -> tuple[str, ...]:
        """The addresses of the envelope's recipients."""
        return tuple(recipient.address for recipient in self.envelope.recipients)


class MailboxCounts(Object, frozen=True):
    """A mailbox, and how much is in it; `size` is in bytes."""

    name: str
    total: int
    unread: int
    size: int


class Address(Object, frozen=True):
    """A mailbox of a header field."""

    name: str
    address: str


class HeaderField(Object, frozen=True):
    """A header field: `raw` is its value unfolded as it came, `text` decoded."""

    name: str
    raw: str
    text: str


class Attachment(Object, frozen=True):
    """A part that is no body text; size and checksums are those of the decoded bytes."""

    part_id: str
    file_name: str
    content_type: str
    content_id: str
    size: int
    md5: str
    sha1: str
    sha256: str


class Content(Object, frozen=True):
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


class TranscriptLine(Object, frozen=True):
    """A line of the session: milliseconds since its start, `C`, `S` or `-`, and what was said."""

    milliseconds: int
    speaker: str
    text: str


class Message(MessageSummary, frozen=True, kw_only=True):
    """
    A message with its content and the transcript of the session that brought it.

    `links` are its URLs, `codes` its one-time codes; docs/api.md has the rules they are found by.
    """

    content: Content
    links: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
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

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """What is attached."""
        return self.content.attachments

    def header(self, name: str) -> str:
        """Give the first header field of this name (any case), decoded; empty when absent."""
        wanted = name.lower()
        fields = self.content.headers
        return next((field.text for field in fields if field.name.lower() == wanted), "")


class FullMessage(Message, frozen=True, kw_only=True):
    """A message with its bytes as the server received them."""

    raw: bytes

    def email(self) -> EmailMessage:
        """Give the message as the standard library reads it, the attachments' bytes with it."""
        return email.message_from_bytes(self.raw, policy=email.policy.default)


class Wanted(Object, frozen=True):
    """
    Which message to wait for; all that is set must hold.

    `recipient` and `sender` are whole envelope addresses, `subject` is a part of the subject; all
    ignore case. `headers` are decoded values of header fields by their names. Patterns are RE2's.
    """

    recipient: str | None = None
    sender: str | None = None
    subject: str | None = None
    subject_regex: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    header_regexes: Mapping[str, str] = MappingProxyType({})
    has_link: bool = False

    @property
    def header_lines(self) -> tuple[str, ...]:
        """The headers as the API takes them, `NAME: VALUE`."""
        return tuple(f"{name}: {value}" for name, value in self.headers.items())

    @property
    def header_regex_lines(self) -> tuple[str, ...]:
        """The headers' patterns as the API takes them."""
        return tuple(f"{name}: {value}" for name, value in self.header_regexes.items())

    def __str__(self) -> str:
        names = {"recipient": "to", "sender": "from"}
        told = [
            f"{names.get(name, name)} {value!r}"
            for name in self.__struct_fields__
            if (value := getattr(self, name))
        ]
        return f"mail with {', '.join(told)}" if told else "mail"


class Deleted(Object, frozen=True):
    """How many messages were deleted, and which of the ids named none."""

    deleted: int
    unknown: tuple[str, ...]


class Addressee(Object, frozen=True):
    """
    A recipient of a job: `state` is `queued`, `sent` or `failed`.

    `code` and `reply` are the relay server's last words; without a code, `reply` is what went wrong
    before it could say anything.
    """

    address: str
    state: str
    code: int | None = None
    reply: str = ""


class Job(Object, frozen=True):
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


class Decision(Object, frozen=True):
    """Which rule chose a bind path, and the article or section that it comes from."""

    direction: str
    rule: str
    source: str


class Hop(Object, frozen=True):
    """A step of a bind path that was walked; `ok` is None for one that was not reached."""

    name: str
    target: str
    ok: bool | None
    detail: str
    milliseconds: float
    code: int | None = None
    hint: str = ""


class Trouble(Object, frozen=True):
    """What went wrong with a listener; `code` is the Winsock error, `sentence` that of 4007."""

    when: datetime
    code: int
    name: str
    hop: str
    reason: str
    hint: str
    sentence: str


class Listener(Object, frozen=True):
    """
    An SMTP listener as it is now.

    `state` is starting, listening, busy, retrying, failed or closed; `addresses` is where clients
    connect. `capacity` is how many sessions its path carries at once, None for no limit.
    """

    number: int
    endpoint: str
    via: str
    personality: str
    protocol: str
    tls: str
    proxy_protocol: bool
    state: str
    since: datetime
    addresses: tuple[str, ...]
    capacity: int | None
    sessions: int
    attempts: int
    retry_in: float | None
    last_error: Trouble | None


class Node(Object, frozen=True):
    """
    A node that has the inbox, and its listeners as they were when it was `heard` last.

    `here` is true for the one that was asked; `state` is alive, stopped or gone.
    """

    name: str
    here: bool
    run: str
    version: str
    state: str
    started: datetime
    heard: datetime
    listeners: tuple[Listener, ...]


class Nodes(Object, frozen=True):
    """
    The nodes; `shared` says whether there can be several.

    `trouble` says why the others can't be heard of now, empty while they can.
    """

    shared: bool
    trouble: str
    nodes: tuple[Node, ...]


class Path(Listener, frozen=True):
    """
    A listener with its bind path, walked hop by hop.

    `code` is the one that event 4007 would carry if it were bound now, None if there would be none;
    `sentence` is what the walk means.
    """

    decision: Decision | None
    hops: tuple[Hop, ...]
    code: int | None
    sentence: str


class ScenarioPhase(Object, frozen=True):
    """A phase of a lab scenario; `kind` is healthy, fault or cure."""

    name: str
    title: str
    kind: str


class Scenario(Object, frozen=True):
    """
    A lab scenario, and how its last run stands.

    `obstacle` says why it can't be run there, empty if it can. `state` is idle, running, held,
    failed, skipped or stopped; `since` is when that run began, None without one.
    """

    name: str
    title: str
    articles: tuple[str, ...]
    cause: str
    phases: tuple[ScenarioPhase, ...]
    obstacle: str
    state: str
    since: datetime | None


class Event(Object, frozen=True):
    """
    An event of the catalogue that the server has logged.

    `cursor` is its place in the order of keeping, `level` is `error`, `warning` or `information`,
    `computer` and `node` the name of the node where it happened,
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
    node: str = ""


class EventFilter(Object, frozen=True):
    """
    Which events; every condition that is set must hold.

    `ids`, `sources` and `nodes` list what is allowed. `level` is the least grave: `error`,
    `warning`, `information`. `since` and `until` are inclusive, and aware. `text` is a part of the
    sentence, in any case. `after` and `before` are cursors that the event must lie between.
    """

    ids: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    level: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    after: int | None = None
    before: int | None = None
