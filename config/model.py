"""The settings: one model, each field with its default and one line of help."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .fault import Fault
from .kinds import (
    Asking,
    EndpointText,
    FileName,
    ListeningText,
    NodeName,
    PersonalityName,
    Table,
    TlsMode,
)
from .mail_tables import Lab as Lab
from .mail_tables import LinkCheck as LinkCheck
from .mail_tables import Mailbox as Mailbox
from .mail_tables import Mailpit as Mailpit
from .mail_tables import Pop3 as Pop3
from .mail_tables import Relay as Relay
from .mail_tables import WebAccess as WebAccess
from .mail_tables import Webhook as Webhook
from .mail_tables import WebLimits as WebLimits
from .path_tables import DirectPath as DirectPath
from .path_tables import PathTable as PathTable
from .path_tables import SocksPath as SocksPath
from .path_tables import SshPath as SshPath
from .path_tables import WinsockPath as WinsockPath


class Listener(Table, frozen=True):
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
        PersonalityName, Meta(description="Personality of this listener; empty = the general one.")
    ] = ""
    protocol: Annotated[
        Literal["smtp", "lmtp"],
        Meta(description="smtp, or lmtp (RFC 2033), which only the personality plain speaks."),
    ] = "smtp"
    tls: Annotated[
        TlsMode,
        Meta(description="auto (STARTTLS if a certificate is set), off, starttls or implicit."),
    ] = "auto"
    client_certificates: Annotated[
        Literal["auto", Asking],
        Meta(description="auto (optional if tls.client_ca is set), off, optional or required."),
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
    xclient_trusted: Annotated[
        tuple[str, ...],
        Meta(
            description="Who may say XCLIENT and XFORWARD: addresses and networks (CIDR); empty = "
            "nobody. Only the personality plain knows them."
        ),
    ] = ()


class Ims(Table, rename="pascal", frozen=True):
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


class Tls(Table, frozen=True):
    """TLS of the SMTP listeners and of POP3, `[tls]`; certificates of clients are SMTP's."""

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
    client_ca: Annotated[
        FileName,
        Meta(
            description="PEM file of the authorities that sign clients' certificates; SMTP clients "
            "are then asked for one. Empty = nobody is asked."
        ),
    ] = ""


class Auth(Table, frozen=True):
    """Who may log in by SMTP, `[auth]` (docs/logins.md)."""

    users: Annotated[
        FileName,
        Meta(
            description="File of NAME:PASSWORD lines, or tokens instead; empty = every login is "
            "accepted."
        ),
    ] = ""


class Limits(Table, frozen=True):
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
            "are held up; one message goes through whatever its size, and small ones (less than "
            "a 1024th) up to twice as much.",
        ),
    ] = 128 * 1024 * 1024
    recipients: Annotated[
        int,
        Meta(ge=1, description="Recipients of one message before 452. IMS: 32766 (KB Q272672)."),
    ] = 32766
    command_line: Annotated[
        int,
        Meta(
            ge=512,
            le=32768,
            description="Octets of a command line with its CRLF before 500. Postfix: 2048.",
        ),
    ] = 2048
    text_line: Annotated[
        int,
        Meta(
            ge=0,
            description="Octets of a line of a message with its CRLF; 0 = not limited, as every "
            "message is kept as it came. RFC 5321, 4.5.3.1.6: 1000.",
        ),
    ] = 0
    header_size: Annotated[
        int,
        Meta(
            ge=0,
            description="Bytes of a message's header before 554; 0 = not limited, as every message "
            "is kept as it came. Exim: 1 MiB; Postfix cuts it at 102400.",
        ),
    ] = 0
    mime_parts: Annotated[
        int,
        Meta(
            ge=0,
            le=999,
            description="Parts of a message, at all levels, before 554; 0 = not limited. "
            "SpamAssassin looks at 1000.",
        ),
    ] = 0
    mime_depth: Annotated[
        int,
        Meta(
            ge=0,
            le=49,
            description="Levels at which parts of a message nest before 554; 0 = not limited. "
            "Postfix, mime_nesting_limit: 100.",
        ),
    ] = 0
    bad_commands: Annotated[
        int,
        Meta(
            ge=0,
            description="Replies 500 to 504 and 535 in one session before 421; 0 = not limited. "
            "Postfix: 20 errors. The fifth unknown command is the end anyway (aiosmtpd).",
        ),
    ] = 100
    sessions: Annotated[
        int, Meta(ge=1, description="Sessions at once, all listeners together, before 421.")
    ] = 10_000
    sessions_per_address: Annotated[
        int,
        Meta(
            ge=0,
            description="Sessions of one address (IPv6: one /64) at once before 421; 0 = not "
            "limited. Postfix: 50.",
        ),
    ] = 100
    connections_per_minute: Annotated[
        int,
        Meta(
            ge=0,
            description="Connections of one address (IPv6: one /64) in a minute before 421; 0 = "
            "not limited. Postfix: not limited.",
        ),
    ] = 1_000
    exempt: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks (CIDR) of which no address is counted for the two limits above; "
            "loopback and private ones, so that no load test meets them."
        ),
    ] = (
        *("127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
        *("fc00::/7", "fe80::/10"),
    )
    command_timeout: Annotated[
        float, Meta(gt=0, description="Seconds to wait for a command (RFC 5321, 4.5.3.2.7: 5 min).")
    ] = 300.0
    handshake_timeout: Annotated[
        float,
        Meta(
            gt=0,
            description="Seconds for a TLS handshake, by STARTTLS or from the first byte. Postfix, "
            "smtpd_starttls_timeout: 300, under stress 10.",
        ),
    ] = 60.0
    data_timeout: Annotated[
        float,
        Meta(
            gt=0,
            description="Seconds to wait for a block of data, 64 KiB or the message's end "
            "(4.5.3.2.5: 3 min).",
        ),
    ] = 180.0
    transaction_time: Annotated[
        float,
        Meta(
            ge=0,
            description="Seconds from MAIL to the message's end, however busy the client is; 0 = "
            "not limited.",
        ),
    ] = 3600.0
    session_time: Annotated[
        float,
        Meta(
            ge=0,
            description="Seconds of a session, after which it ends between two transactions; 0 = "
            "not limited. Exchange since 2007: 600.",
        ),
    ] = 86_400.0
    drain: Annotated[
        float, Meta(ge=0, description="Seconds that live sessions are given at shutdown.")
    ] = 10.0
    reverse_lookup: Annotated[
        float, Meta(gt=0, description="Seconds that a reverse lookup may delay the banner.")
    ] = 2.0


class Retention(Table, frozen=True):
    """What is kept, `[retention]`; 0 = for ever. Oldest messages go first."""

    messages: Annotated[int, Meta(ge=0, description="Messages kept.")] = 0
    age: Annotated[float, Meta(ge=0, description="Age in seconds.")] = 0.0
    size: Annotated[int, Meta(ge=0, description="Bytes of all messages together.")] = 0


class ProtocolLog(Table, frozen=True):
    """IMS's SMTP protocol log, `[protocol_log]` (KB Q154505)."""

    directory: Annotated[
        FileName, Meta(description="Folder for L0000000.LOG and so on; empty = no protocol log.")
    ] = ""
    level: Annotated[
        Literal["None", "Minimum", "Medium", "Maximum"],
        Meta(description="None, Minimum (connections), Medium (commands), Maximum (raw data too)."),
    ] = "Medium"


class EventLog(Table, frozen=True):
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


class Settings(Table, frozen=True):
    """All settings of bindpost."""

    listener: Annotated[
        tuple[Listener, ...], Meta(description="SMTP listeners, `[[listener]]` or --listen.")
    ] = (Listener(endpoint="127.0.0.1:1025"),)
    path: Annotated[dict[str, PathTable], Meta(description="Named bind paths, `[path.NAME]`.")] = (
        msgspec.field(default_factory=dict)
    )
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
    store: Annotated[
        str,
        Meta(
            description="Where the inbox is: postgresql://USER@HOST/DATABASE, or empty for the "
            "data folder."
        ),
    ] = ""
    durability: Annotated[
        Literal["full", "normal"],
        Meta(
            description="full = what was answered with 250 outlives a loss of power; normal = only "
            "what is older than the last checkpoint does. Both outlive the process."
        ),
    ] = "full"
    personality: Annotated[
        PersonalityName,
        Meta(
            description="Server to imitate: ims-5.5, ims-5.0, imc-4.0, plain, one that a package "
            "brings, or that of a file (docs/personalities.md)."
        ),
    ] = "ims-5.5"
    hostname: Annotated[
        str, Meta(description="The server's name in replies; empty = this machine's.")
    ] = ""
    node: Annotated[
        NodeName,
        Meta(
            description="This node's name, the Computer of its events; empty = hostname, or this "
            "machine's. Nodes with one inbox have different ones (docs/scaling.md)."
        ),
    ] = ""
    node_heartbeat: Annotated[
        float,
        Meta(
            gt=0,
            description="Seconds between two signs of life to the other nodes; after five times as "
            "many without one a node is gone.",
        ),
    ] = 2.0
    user: Annotated[
        str,
        Meta(
            description="User to become when started as root, before anything is opened; on Linux "
            "ports below 1024 can be bound all the same. Empty = stay who it is."
        ),
    ] = ""
    refuse_root: Annotated[
        bool, Meta(description="Refuse to run as root: without user it doesn't start then.")
    ] = False
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
    web_limits: WebLimits = WebLimits()
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
    fault: Annotated[
        tuple[Fault, ...], Meta(description="Faults on purpose, `[[fault]]`; none by default.")
    ] = ()
    faults: Annotated[
        FileName,
        Meta(description="File of more `[[fault]]` tables, behind those here; empty = none."),
    ] = ""
    fault_presets: Annotated[
        FileName,
        Meta(description="Folder of fault presets of one's own, *.toml; empty = only bindpost's."),
    ] = ""
    lab: Lab = Lab()
    mailpit: Mailpit = Mailpit()
