"""The settings: one model, each field with its default and one line of help."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .fault import Fault
from .ims_table import Ims as Ims
from .kinds import EndpointText, FileName, NodeName, PersonalityName, Table
from .limits_table import Limits as Limits
from .listener_tables import Auth as Auth
from .listener_tables import Listener as Listener
from .listener_tables import Tls as Tls
from .log_tables import EventLog as EventLog
from .log_tables import ProtocolLog as ProtocolLog
from .mail_tables import Lab as Lab
from .mail_tables import LinkCheck as LinkCheck
from .mail_tables import Mailbox as Mailbox
from .mail_tables import Mailpit as Mailpit
from .mail_tables import Pop3 as Pop3
from .mail_tables import Relay as Relay
from .mail_tables import Retention as Retention
from .mail_tables import WebAccess as WebAccess
from .mail_tables import Webhook as Webhook
from .mail_tables import WebLimits as WebLimits
from .path_tables import DirectPath as DirectPath
from .path_tables import PathTable as PathTable
from .path_tables import SocksPath as SocksPath
from .path_tables import SshPath as SshPath
from .path_tables import WinsockPath as WinsockPath


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
