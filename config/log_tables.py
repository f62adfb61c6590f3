"""The tables about what is logged, and where: the protocol log and events."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from .kinds import FileName, Table


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
