"""The tables about how clients get in: listeners, TLS and logins of SMTP."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from .kinds import Asking, FileName, ListeningText, PersonalityName, Table, TlsMode


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
