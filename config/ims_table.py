"""The table of the Internet Mail Service's own knobs, `[ims]`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .kinds import Table


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
