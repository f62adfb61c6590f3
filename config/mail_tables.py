"""The tables about kept mail: how long it stays, who sees it, where it goes, what is told of it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from .kinds import EndpointText, FileName, ListenerNames, Table, TlsMode


class Retention(Table, frozen=True):
    """What is kept, `[retention]`; 0 = for ever. Oldest messages go first."""

    messages: Annotated[int, Meta(ge=0, description="Messages kept.")] = 0
    age: Annotated[float, Meta(ge=0, description="Age in seconds.")] = 0.0
    size: Annotated[int, Meta(ge=0, description="Bytes of all messages together.")] = 0


class WebAccess(Table, frozen=True):
    """Who may use the web endpoint, and by which names, `[web_access]` (docs/web-access.md)."""

    users: Annotated[
        FileName,
        Meta(
            description="File of NAME:PASSWORD lines, as `bindpost web-password` makes them or "
            "plain; empty = no users."
        ),
    ] = ""
    tokens: Annotated[
        FileName,
        Meta(description="File of bearer tokens for programs, one a line; empty = none."),
    ] = ""
    hosts: Annotated[
        tuple[str, ...],
        Meta(
            description="Further names by which requests may call the server, a reverse proxy's "
            "for instance; * = any name."
        ),
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Web pages elsewhere that may use the APIs, https://app.example for "
            "instance; * = all."
        ),
    ] = ()
    metrics: Annotated[bool, Meta(description="Offer /metrics to Prometheus.")] = True
    certificate: Annotated[
        FileName,
        Meta(
            description="PEM file for HTTPS; `self-signed` makes one on the spot; empty = HTTP.",
            extra={"words": ("self-signed",)},
        ),
    ] = ""
    key: Annotated[
        FileName,
        Meta(description="PEM file of the private key; empty = in the certificate's file."),
    ] = ""


class WebLimits(Table, frozen=True):
    """Bounds of the web endpoint, `[web_limits]` (docs/limits.md)."""

    connections: Annotated[
        int,
        Meta(
            ge=1,
            description="Connections at once, WebSockets too; one more closes the one that waits "
            "longest for its client, or gets 503 if none does. nginx: 512 of a worker.",
        ),
    ] = 1_000
    header_size: Annotated[
        int,
        Meta(
            ge=1024,
            description="Octets of a request's first line and header before 400. nginx: 4 times "
            "8 KiB; uvicorn: 64 KiB.",
        ),
    ] = 64 * 1024
    body_size: Annotated[
        int,
        Meta(
            ge=1024,
            description="Octets of a request's body before 413, but for messages that are sent or "
            "imported: those have limits.message_size. Mailpit: 5 MiB.",
        ),
    ] = 5 * 1024 * 1024
    request_time: Annotated[
        float,
        Meta(
            gt=0,
            description="Seconds in which a request must come, its body too. nginx: 60 for the "
            "header, 60 between two pieces of the body.",
        ),
    ] = 120.0
    answer_time: Annotated[
        float,
        Meta(
            gt=0,
            description="Seconds in which a client must take some of an answer that waits for it. "
            "nginx, send_timeout: 60.",
        ),
    ] = 60.0
    idle_time: Annotated[
        int,
        Meta(
            ge=1,
            description="Seconds that a connection is kept between two requests. Apache: 5; "
            "nginx: 75.",
        ),
    ] = 5
    websocket_message: Annotated[
        int,
        Meta(
            ge=1,
            description="Octets of what a WebSocket's client says at once before it is closed; "
            "nothing that it says is needed.",
        ),
    ] = 64 * 1024


class Relay(Table, frozen=True):
    """Relay of kept messages to a real server, `[relay]` (docs/relay.md)."""

    server: Annotated[
        str, Meta(description="HOST:PORT of the server to relay to; empty = nothing is relayed.")
    ] = ""
    via: Annotated[
        str,
        Meta(
            description="Way there: direct:, or a proxy by socks5://, socks4://, socks4a:// or "
            "http://[USER:PASSWORD@]HOST:PORT."
        ),
    ] = "direct:"
    recipients: Annotated[
        tuple[str, ...],
        Meta(description="Envelope recipients that are relayed by themselves: *@example.org."),
    ] = ()
    allowed: Annotated[
        tuple[str, ...], Meta(description="Addresses that a release may name; empty = any.")
    ] = ()
    user: Annotated[str, Meta(description="Name to log in with; empty = no login.")] = ""
    password_file: Annotated[FileName, Meta(description="File with the password in it.")] = ""
    tls: Annotated[
        Literal["off", "starttls", "implicit"],
        Meta(description="off, starttls (nothing is sent without it) or implicit."),
    ] = "off"
    ca_file: Annotated[
        FileName, Meta(description="PEM file of the certificates to trust; empty = the system's.")
    ] = ""
    attempts: Annotated[
        int, Meta(ge=1, le=100, description="Attempts before a message is given up.")
    ] = 8
    first_pause: Annotated[
        float, Meta(gt=0, description="Seconds before the second attempt; each pause doubles.")
    ] = 10.0
    timeout: Annotated[
        float, Meta(gt=0, description="Seconds that one attempt may take in all.")
    ] = 300.0


class Pop3(Table, frozen=True):
    """The inbox for mail clients, by POP3, `[pop3]` (docs/pop3.md)."""

    endpoint: Annotated[
        EndpointText, Meta(description="Where POP3 is served, or off.", extra={"words": ("off",)})
    ] = "off"
    via: Annotated[
        str, Meta(description="Bind path, as that of a listener: a URL, or a [path.*].")
    ] = "direct:"
    tls: Annotated[
        TlsMode,
        Meta(description="auto (STLS if [tls] has a certificate), off, starttls or implicit."),
    ] = "auto"
    users: Annotated[
        FileName,
        Meta(description="File of NAME:PASSWORD lines; empty = every login is accepted."),
    ] = ""
    sessions: Annotated[int, Meta(ge=1, description="Sessions at once.")] = 50
    timeout: Annotated[
        float,
        Meta(gt=0, description="Seconds to wait for a client (RFC 1939: ten minutes or more)."),
    ] = 600.0


class LinkCheck(Table, frozen=True):
    """Asking whether the links of a message are there, `[link_check]` (docs/pages.md)."""

    enabled: Annotated[
        bool, Meta(description="Whether links may be asked for; only when somebody wants it.")
    ] = True
    networks: Annotated[
        tuple[str, ...],
        Meta(description="Private addresses and networks (CIDR) that links may lead to."),
    ] = ()
    ca_file: Annotated[
        FileName, Meta(description="PEM file of the certificates to trust; empty = the system's.")
    ] = ""
    links: Annotated[
        int, Meta(ge=1, le=500, description="Links of a message that are asked for.")
    ] = 100
    timeout: Annotated[
        float, Meta(gt=0, le=60, description="Seconds that one link may take in all.")
    ] = 10.0
    per_minute: Annotated[
        int, Meta(ge=1, description="Requests that are made in a minute, for all messages.")
    ] = 300


class Mailbox(Table, frozen=True):
    """A part of the inbox, `[[mailbox]]` (docs/mailboxes.md); any rule puts a message in."""

    name: Annotated[
        str,
        Meta(description="Its name; a * in it stands for what the * of the rule that fits was."),
    ] = ""
    domains: Annotated[
        tuple[str, ...],
        Meta(description="Domains of the envelope's recipients: example.org, *.example.org."),
    ] = ()
    plus_tags: Annotated[
        tuple[str, ...],
        Meta(description="What stands behind a + in a recipient's local part: orders, ci-*."),
    ] = ()
    logins: Annotated[
        tuple[str, ...],
        Meta(description="Names that SMTP clients log in with; those of `users` count anyway."),
    ] = ()
    listeners: Annotated[
        ListenerNames,
        Meta(description="Endpoints of listeners as they are set; http = sent by the API, import."),
    ] = ()
    users: Annotated[
        FileName,
        Meta(description="File of NAME:PASSWORD lines, as web_access has, who see only this."),
    ] = ""
    tokens: Annotated[
        FileName,
        Meta(description="File of bearer tokens for programs that see only this; empty = none."),
    ] = ""


class Webhook(Table, frozen=True):
    """A URL that is told of messages, `[[webhook]]` (docs/webhooks.md)."""

    name: Annotated[
        str, Meta(description="Its name in the log, the API and the queue; each has its own.")
    ] = ""
    url: Annotated[str, Meta(description="Where the requests go: http:// or https://.")] = ""
    secret: Annotated[
        str, Meta(description="Key of the signature, whsec_... or any text; empty = none.")
    ] = ""
    secret_file: Annotated[FileName, Meta(description="File with the key in it, instead.")] = ""
    events: Annotated[
        tuple[str, ...],
        Meta(
            description="What it is told: message.received, message.marked, message.tagged, "
            "message.deleted."
        ),
    ] = ("message.received",)
    recipients: Annotated[
        tuple[str, ...],
        Meta(description="Only messages with such a recipient: *@example.org; empty = any."),
    ] = ()
    senders: Annotated[
        tuple[str, ...], Meta(description="Only messages from such a sender; empty = any.")
    ] = ()
    subject: Annotated[
        str, Meta(description="Only messages with this in the subject, in any case.")
    ] = ""
    networks: Annotated[
        tuple[str, ...],
        Meta(description="Private addresses and networks (CIDR) that the URL may lead to."),
    ] = ()
    ca_file: Annotated[
        FileName, Meta(description="PEM file of the certificates to trust; empty = the system's.")
    ] = ""
    timeout: Annotated[
        float, Meta(gt=0, le=300, description="Seconds that one attempt may take in all.")
    ] = 10.0
    attempts: Annotated[int, Meta(ge=1, le=100, description="Attempts before it is given up.")] = 12
    first_pause: Annotated[
        float, Meta(gt=0, description="Seconds before the second attempt; each pause doubles.")
    ] = 5.0


class Lab(Table, frozen=True):
    """Lab scenarios, run from the web side, `[lab]` (docs/lab.md)."""

    from_web: Annotated[
        Literal["loopback", "on", "off"],
        Meta(
            description="Who may run scenarios over HTTP: loopback = whoever may use a web "
            "endpoint that only this machine reaches; on = also whoever has logged in to another; "
            "off = nobody."
        ),
    ] = "loopback"
    scenarios: Annotated[
        FileName,
        Meta(description="Folder of scenarios of one's own, *.toml; empty = only bindpost's."),
    ] = ""
    keep: Annotated[int, Meta(ge=1, le=1000, description="Runs whose evidence is kept.")] = 20


class Mailpit(Table, frozen=True):
    """Where the API of Mailpit and MailHog is safer than theirs, `[mailpit]` (docs/api.md)."""

    delete_without_body: Annotated[
        bool,
        Meta(
            description="Let DELETE /api/v1/messages without a readable body delete all, as theirs."
        ),
    ] = False
    chaos: Annotated[
        bool,
        Meta(description="Let /api/v1/chaos set Mailpit's chaos, as its --enable-chaos does."),
    ] = False
