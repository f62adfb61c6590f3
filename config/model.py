"""The settings: one model, each field with its default and one line of help."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Personality = Annotated[
    str, Meta(description="Server to imitate: ims-5.5, ims-5.0, imc-4.0, plain.")
]
TlsMode = Literal["auto", "off", "starttls", "implicit"]

FileName = Annotated[str, Meta(extra={"kind": "file"})]
"""A file or folder; loading makes it absolute (docs/settings.md says relative to what)."""
FileNames = Annotated[tuple[str, ...], Meta(extra={"kind": "file"})]
"""Several of them."""
EndpointText = Annotated[str, Meta(extra={"kind": "endpoint"})]
"""An endpoint as users write it; loading checks it."""
ListeningText = Annotated[str, Meta(extra={"kind": "endpoint", "services": True})]
"""The same, or with the name of a service in the port's place, looked up when it is bound."""
ListenerNames = Annotated[
    tuple[str, ...],
    Meta(extra={"kind": "endpoint", "services": True, "words": ("http", "import")}),
]
"""Endpoints of listeners, or where else messages come from."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of settings; an unknown key in it is an error."""


class Listener(_Table, frozen=True):
    """One SMTP listener, `[[listener]]`."""

    endpoint: Annotated[
        ListeningText,
        Meta(description="HOST:PORT, [IPV6]:PORT or unix:/path; port 0 = any, smtp = by name."),
    ]
    via: Annotated[
        str,
        Meta(description="Bind path: a URL such as direct: or winsock://HOST:PORT, or a [path.*]."),
    ] = "direct:"
    personality: Annotated[
        str, Meta(description="Personality of this listener; empty = the general one.")
    ] = ""
    tls: Annotated[
        TlsMode,
        Meta(description="auto (STARTTLS if a certificate is set), off, starttls or implicit."),
    ] = "auto"
    proxy_protocol: Annotated[
        bool, Meta(description="Expect a PROXY protocol header, v1 or v2, on every connection.")
    ] = False
    proxy_trusted: Annotated[
        tuple[str, ...],
        Meta(description="Who may send that header: addresses and networks (CIDR)."),
    ] = ("127.0.0.0/8", "::1")
    proxy_timeout: Annotated[
        float, Meta(gt=0, description="Seconds in which that header must come.")
    ] = 5.0


class WinsockPath(_Table, tag_field="type", tag="winsock", frozen=True):
    """A bind path through Microsoft Proxy Server's Winsock Proxy, `type = "winsock"`."""

    server: Annotated[
        str, Meta(description="HOST or HOST:PORT of the proxy; overrides mspclnt's server.")
    ] = ""
    mspclnt: Annotated[FileName, Meta(description="MSPCLNT.INI of the Proxy Client.")] = ""
    wspcfg: Annotated[FileName, Meta(description="WSPCFG.INI of the application.")] = ""
    lat: Annotated[
        FileNames, Meta(description="Local Address Tables: MSPLAT.TXT, LOCALLAT.TXT.")
    ] = ()
    application: Annotated[
        str, Meta(description="Name of the program's section, without .exe.")
    ] = "msexcimc"
    enabled: Annotated[
        bool, Meta(description="Whether the Proxy Client is enabled (its control panel's box).")
    ] = True
    tries: Annotated[
        int, Meta(ge=1, le=20, description="Datagrams sent before the proxy counts as silent.")
    ] = 3
    interval: Annotated[float, Meta(gt=0, le=60, description="Seconds between two tries.")] = 0.5
    keepalive: Annotated[
        float,
        Meta(
            gt=0,
            le=7200,
            description="Seconds between two hellos that ask the proxy for a sign of life; "
            "after as many tries as above without one the bind is lost.",
        ),
    ] = 30.0
    user: Annotated[
        str,
        Meta(
            description="USER or DOMAIN\\USER that logs in, if WSPCFG.INI says ForceCredentials=1."
        ),
    ] = ""
    password_file: Annotated[FileName, Meta(description="File with its password in it.")] = ""


class SocksPath(_Table, tag_field="type", tag="socks", frozen=True):
    """A bind path through a SOCKS proxy, `[path.NAME] type = "socks"`, if a URL is not enough."""

    url: Annotated[
        str, Meta(description="The proxy: socks5://, socks4:// or socks4a:// as `via` has it.")
    ] = ""
    keepalive: Annotated[
        int,
        Meta(
            ge=1,
            le=7200,
            description="Silent seconds before its machine is asked for a sign of life; "
            "after as long again without one it has gone.",
        ),
    ] = 60


class SshPath(_Table, tag_field="type", tag="ssh", frozen=True):
    """A bind path through an SSH server, `[path.NAME] type = "ssh"`."""

    host: Annotated[str, Meta(description="Name or address of the SSH server.")] = ""
    port: Annotated[int, Meta(ge=1, le=65535, description="Its port.")] = 22
    user: Annotated[
        str, Meta(description="Who logs in; empty = the user that bindpost runs as.")
    ] = ""
    known_hosts: Annotated[FileName, Meta(description="Host keys; empty = ~/.ssh/known_hosts.")] = (
        ""
    )
    key: Annotated[
        FileName, Meta(description="Private key; empty = the agent's and those in ~/.ssh.")
    ] = ""
    agent: Annotated[bool, Meta(description="Whether the agent is asked when no key is named.")] = (
        True
    )
    password_file: Annotated[FileName, Meta(description="File with the password in it.")] = ""
    keepalive: Annotated[
        int,
        Meta(
            ge=1,
            le=7200,
            description="Silent seconds before the server is asked for a sign of life; "
            "after four times that without one the login is lost.",
        ),
    ] = 15


class DirectPath(_Table, tag_field="type", tag="direct", frozen=True):
    """A bind on this machine, `[path.NAME] type = "direct"`."""


PathTable = WinsockPath | SocksPath | SshPath | DirectPath


class Ims(_Table, rename="pascal", frozen=True):
    """
    The Internet Mail Service's own knobs, under their own names, `[ims]`.

    Names of registry values (KB articles in docs/settings.md), or, where IMS kept a value in its
    administration window only, that window's words run together.
    """

    build: Annotated[
        str,
        Meta(description="Build in the banner; empty = the personality's own (SP4: 5.5.2653.13)."),
    ] = ""
    advertise_smtp_extensions: Annotated[
        bool,
        Meta(description="Say ESMTP in the banner (KB Q194131)."),
    ] = msgspec.field(name="AdvertiseSMTPExtensions", default=True)
    disable_reverse_resolve: Annotated[
        bool,
        Meta(description="Look no client's name up (KB Q190026). IMS: off; here on, for speed."),
    ] = True
    disable_auth: Annotated[bool, Meta(description="Hide and deny AUTH (KB Q235627).")] = False
    disable_etrn: Annotated[bool, Meta(description="Hide and deny ETRN (KB Q258292).")] = (
        msgspec.field(name="DisableETRN", default=False)
    )
    enable_vrfy: Annotated[bool, Meta(description="Answer VRFY for real (KB 289521).")] = (
        msgspec.field(name="EnableVRFY", default=False)
    )
    accept_malformed821_adrs: Annotated[
        bool, Meta(description="Accept malformed addresses instead of 553 (KB Q191262).")
    ] = False
    hide_tls_from_loopback: Annotated[
        bool,
        Meta(description="Offer no STARTTLS to 127.0.0.1, as a real IMS (KB Q260065); here off."),
    ] = msgspec.field(name="HideTLSFromLoopback", default=False)
    inbound_size_limit: Annotated[
        int, Meta(ge=0, description="Largest message in bytes, as in SIZE; 0 = none (KB Q231303).")
    ] = 0
    max_inbound_connections: Annotated[
        int,
        Meta(ge=0, description="Sessions at once; 0 = not limited. A real IMS: 30 (KB Q166584)."),
    ] = 0
    transfer_mode: Annotated[
        Literal["Inbound & Outbound", "Inbound Only", "Outbound Only", "None"],
        Meta(description="The Connections tab's transfer mode; without Inbound nothing listens."),
    ] = "Inbound & Outbound"
    accept_hosts: Annotated[
        tuple[str, ...], Meta(description="Hosts to accept, NET or NET;MASK (KB Q155920).")
    ] = ()
    reject_hosts: Annotated[
        tuple[str, ...], Meta(description="Hosts to reject with 521, NET or NET;MASK (KB Q155920).")
    ] = ()
    relay_flags: Annotated[
        int,
        Meta(
            ge=0,
            le=15,
            description="Relay rules in force: 1 deny list, 2 allow list, 4 local-IP list, "
            "8 authenticated (KB Q193922); 0 = accept every recipient.",
        ),
    ] = 0
    relay_deny_list: Annotated[
        tuple[str, ...],
        Meta(description="Clients that may not relay, NET or NET;MASK (KB Q193922)."),
    ] = ()
    relay_allow_list: Annotated[
        tuple[str, ...], Meta(description="Clients that may relay, NET or NET;MASK (KB Q193922).")
    ] = ()
    relay_local_ip_list: Annotated[
        tuple[str, ...],
        Meta(description="Own addresses on which all may relay, NET or NET;MASK (KB Q193922)."),
    ] = msgspec.field(name="RelayLocalIPList", default=())
    local_domains: Annotated[
        tuple[str, ...],
        Meta(description="Domains that are local, to which relay rules do not apply."),
    ] = ()
    relay_override_domains: Annotated[
        tuple[str, ...],
        Meta(description="Domains that anybody may relay to (KB Q195969)."),
    ] = ()
    require_authentication: Annotated[
        bool, Meta(description="Only from hosts that authenticate: 505 otherwise (KB Q181481).")
    ] = False


class Tls(_Table, frozen=True):
    """TLS of the SMTP listeners and of POP3, `[tls]`."""

    certificate: Annotated[
        FileName,
        Meta(
            description="PEM file; `self-signed` makes one on the spot; empty = no TLS.",
            extra={"words": ("self-signed",)},
        ),
    ] = ""
    key: Annotated[
        FileName,
        Meta(description="PEM file of the private key; empty = in the certificate's file."),
    ] = ""


class Auth(_Table, frozen=True):
    """Who may log in, `[auth]`."""

    users: Annotated[
        FileName, Meta(description="File of NAME:PASSWORD lines; empty = every login is accepted.")
    ] = ""


class WebAccess(_Table, frozen=True):
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


class Limits(_Table, frozen=True):
    """Bounds of the process, `[limits]`; IMS's own limits are in `[ims]`."""

    message_size: Annotated[
        int,
        Meta(ge=1, description="Largest message in bytes that is taken at all. Mailpit: 50 MiB."),
    ] = 64 * 1024 * 1024
    in_flight: Annotated[
        int,
        Meta(
            ge=1,
            description="Bytes of all messages on the way to the store together, before clients "
            "are held up; one message goes through whatever its size.",
        ),
    ] = 128 * 1024 * 1024
    recipients: Annotated[
        int,
        Meta(ge=1, description="Recipients of one message before 452. IMS: 32766 (KB Q272672)."),
    ] = 32766
    sessions: Annotated[
        int, Meta(ge=1, description="Sessions at once, all listeners together, before 421.")
    ] = 10_000
    command_timeout: Annotated[
        float, Meta(gt=0, description="Seconds to wait for a command (RFC 5321, 4.5.3.2.7: 5 min).")
    ] = 300.0
    data_timeout: Annotated[
        float, Meta(gt=0, description="Seconds to wait for a block of data (4.5.3.2.5: 3 min).")
    ] = 180.0
    drain: Annotated[
        float, Meta(ge=0, description="Seconds that live sessions are given at shutdown.")
    ] = 10.0
    reverse_lookup: Annotated[
        float, Meta(gt=0, description="Seconds that a reverse lookup may delay the banner.")
    ] = 2.0


class Retention(_Table, frozen=True):
    """What is kept, `[retention]`; 0 = for ever. Oldest messages go first."""

    messages: Annotated[int, Meta(ge=0, description="Messages kept.")] = 0
    age: Annotated[float, Meta(ge=0, description="Age in seconds.")] = 0.0
    size: Annotated[int, Meta(ge=0, description="Bytes of all messages together.")] = 0


class ProtocolLog(_Table, frozen=True):
    """IMS's SMTP protocol log, `[protocol_log]` (KB Q154505)."""

    directory: Annotated[
        FileName, Meta(description="Folder for L0000000.LOG and so on; empty = no protocol log.")
    ] = ""
    level: Annotated[
        Literal["None", "Minimum", "Medium", "Maximum"],
        Meta(description="None, Minimum (connections), Medium (commands), Maximum (raw data too)."),
    ] = "Medium"


class EventLog(_Table, frozen=True):
    """Where events go beside the log itself, `[event_log]` (docs/event-sinks.md)."""

    keep: Annotated[
        int, Meta(ge=0, description="Events kept with the data, the newest; 0 = none.")
    ] = 100_000
    syslog: Annotated[
        str,
        Meta(
            description="Syslog server: udp://HOST:514, tcp://HOST:601 or unix:/path; empty = no."
        ),
    ] = ""
    syslog_facility: Annotated[
        int, Meta(ge=0, le=23, description="Facility of RFC 5424; 2 is the mail system.")
    ] = 2
    syslog_enterprise: Annotated[
        int,
        Meta(ge=1, description="Private enterprise number in winlog@N; 32473 is for examples."),
    ] = 32473
    journald: Annotated[
        FileName,
        Meta(
            description="Socket of systemd's journal; `system` = the usual one; empty = no.",
            extra={"words": ("system",)},
        ),
    ] = ""
    windows: Annotated[
        bool, Meta(description="Report to the Windows event log, on Windows only.")
    ] = False
    evt: Annotated[
        FileName,
        Meta(description="A live event log of Windows NT, AppEvent.Evt; empty = no."),
    ] = ""
    evt_size: Annotated[
        int,
        Meta(ge=64, le=4194240, description="KiB it grows to, in steps of 64; NT: 512."),
    ] = 512
    evt_retention: Annotated[
        int,
        Meta(
            ge=0,
            le=49710,
            description="Days in which no event is overwritten; 0 = as needed. NT: 7.",
        ),
    ] = 0
    evt_verbose_strings: Annotated[
        bool,
        Meta(description="Add the sentence as a last string, for viewers without our DLL."),
    ] = False


class Relay(_Table, frozen=True):
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


class Pop3(_Table, frozen=True):
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


class LinkCheck(_Table, frozen=True):
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


class Mailbox(_Table, frozen=True):
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


class Webhook(_Table, frozen=True):
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


class Lab(_Table, frozen=True):
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


class Mailpit(_Table, frozen=True):
    """Where the API of Mailpit and MailHog is safer than theirs, `[mailpit]` (docs/api.md)."""

    delete_without_body: Annotated[
        bool,
        Meta(
            description="Let DELETE /api/v1/messages without a readable body delete all, as theirs."
        ),
    ] = False


class Settings(_Table, frozen=True):
    """All settings of bindpost."""

    listener: Annotated[
        tuple[Listener, ...], Meta(description="SMTP listeners, `[[listener]]` or --listen.")
    ] = (Listener(endpoint="127.0.0.1:1025"),)
    path: Annotated[dict[str, PathTable], Meta(description="Named bind paths, `[path.NAME]`.")] = {}
    web: Annotated[
        EndpointText, Meta(description="HTTP endpoint, or off.", extra={"words": ("off",)})
    ] = "127.0.0.1:8025"
    data: Annotated[
        FileName,
        Meta(
            description="Data folder, :memory:, or empty for the platform's state folder.",
            extra={"words": (":memory:",)},
        ),
    ] = ""
    durability: Annotated[
        Literal["full", "normal"],
        Meta(
            description="full = what was answered with 250 outlives a loss of power; normal = only "
            "what is older than the last checkpoint does. Both outlive the process."
        ),
    ] = "full"
    personality: Personality = "ims-5.5"
    hostname: Annotated[
        str, Meta(description="The server's name in replies; empty = this machine's.")
    ] = ""
    engine: Annotated[
        Literal["fast", "stock"],
        Meta(description="SMTP engine; stock = aiosmtpd's own streams, to compare with."),
    ] = "fast"
    on_bind_failure: Annotated[
        Literal["stop", "retry", "continue"],
        Meta(description="After 4007: stop (5.0, 5.5), retry with back-off, continue (4.0)."),
    ] = "stop"
    log: Annotated[Literal["console", "json"], Meta(description="Form of the log.")] = "console"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least severe log lines shown."),
    ] = "info"
    ready_file: Annotated[
        FileName, Meta(description="File that tells pid and addresses, written when all is bound.")
    ] = ""
    ims: Ims = Ims()
    tls: Tls = Tls()
    auth: Auth = Auth()
    web_access: WebAccess = WebAccess()
    limits: Limits = Limits()
    retention: Retention = Retention()
    protocol_log: ProtocolLog = ProtocolLog()
    event_log: EventLog = EventLog()
    relay: Relay = Relay()
    pop3: Pop3 = Pop3()
    link_check: LinkCheck = LinkCheck()
    mailbox: Annotated[
        tuple[Mailbox, ...], Meta(description="Parts of the inbox, `[[mailbox]]`.")
    ] = ()
    webhook: Annotated[
        tuple[Webhook, ...], Meta(description="URLs that are told of messages, `[[webhook]]`.")
    ] = ()
    lab: Lab = Lab()
    mailpit: Mailpit = Mailpit()
