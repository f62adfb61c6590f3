"""The table of bounds, `[limits]`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from .kinds import Table


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
    envelope_size: Annotated[
        int,
        Meta(
            ge=1, description="Octets of one message's recipients and their parameters before 452."
        ),
    ] = 4 * 1024 * 1024
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
