"""Loops: our own listeners are known, and so is a message that a relay has brought."""

from __future__ import annotations

from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Relay
from bindpost.server.message.headers import HeaderFields
from bindpost.server.message.model import Envelope, SessionFacts, new_id, utc_now
from bindpost.server.relay import Route
from bindpost.server.relay.loops import refuse_own, relay_name, was_relayed
from bindpost.server.relay.trouble import Trouble
from bindpost.server.store.store import MessageRow


def refused(
    server: str, listener: str, *, via: str = "direct:", resolved: tuple[str, ...] = ()
) -> bool:
    """Say whether a route is refused beside a listener."""
    route = Route.load(Relay(server=server, via=via), folder=Path())
    assert route is not None
    try:
        refuse_own(route, resolved or (route.first_hop.host,), [Endpoint.parse(listener)])
    except Trouble as trouble:
        return trouble.permanent and trouble.hop == "server"
    return False


@pytest.mark.parametrize(
    ("server", "listener", "own"),
    [
        ("127.0.0.1:25", "127.0.0.1:25", True),
        ("127.0.0.1:25", "127.0.0.1:26", False),
        ("127.0.0.2:25", "127.0.0.1:25", False),
        ("127.0.0.1:25", "0.0.0.0:25", True),
        ("127.0.0.9:25", "0.0.0.0:25", True),
        ("192.0.2.1:25", "0.0.0.0:25", False),
        ("[::1]:25", "0.0.0.0:25", False),
        ("[::ffff:127.0.0.1]:25", "127.0.0.1:25", True),
        ("[::1]:25", "[::1]:25", True),
        ("192.0.2.7:25", "192.0.2.7:25", True),
        ("127.0.0.1:25", "unix:/run/mail", False),
    ],
)
def test_a_listener_of_ours_is_refused(server: str, listener: str, own: bool) -> None:
    """An address is ours if we listen on it, or on all addresses of a machine that has it."""
    assert refused(server, listener) is own


def test_a_name_is_ours_by_one_of_its_addresses() -> None:
    """A name is what it resolves to; one address of ours is enough."""
    addresses = ("192.0.2.1", "127.0.0.1")

    assert refused("mail.lab:25", "127.0.0.1:25", resolved=addresses)
    assert not refused("mail.lab:25", "127.0.0.1:25", resolved=("192.0.2.1",))


@pytest.mark.parametrize(
    ("server", "listener", "proxy", "own"),
    [
        ("192.0.2.7:25", "192.0.2.7:25", "192.0.2.9", True),
        ("127.0.0.1:25", "127.0.0.1:25", "127.0.0.1", True),
        ("localhost:25", "127.0.0.1:25", "127.0.0.1", True),
        ("localhost:25", "[::1]:25", "127.0.0.1", True),
        ("127.0.0.1:25", "127.0.0.1:25", "192.0.2.9", False),
        ("mail.lab:25", "127.0.0.1:25", "127.0.0.1", False),
    ],
)
def test_behind_a_proxy_its_loopback_is_meant(
    server: str, listener: str, proxy: str, own: bool
) -> None:
    """Loopback behind a proxy is the proxy's machine; a name is its to resolve."""
    assert refused(server, listener, via=f"socks5://{proxy}:1080") is own


@pytest.mark.parametrize(
    ("hostname", "name"),
    [
        ("mail.example", "bindpost-relay.mail.example"),
        ("my_host", "bindpost-relay.my-host"),
        ("", "bindpost-relay.localhost"),
        ("x y\r\nz", "bindpost-relay.x-y-z"),
        ("bücher", "bindpost-relay.b-cher"),
    ],
)
def test_the_name_is_one_for_ehlo(hostname: str, name: str) -> None:
    """Whatever the machine is called, the name is a domain and one word."""
    assert relay_name(hostname) == name


def row(helo: str | None) -> MessageRow:
    """Make the row of a message that came from a client of this name."""
    facts = SessionFacts(new_id(), utc_now(), "127.0.0.1:25", "direct:", "ims-5.5", helo=helo)
    return MessageRow(
        1, new_id(), utc_now(), 0, False, Envelope("", ()), facts, HeaderFields("", "", "", "", "")
    )


@pytest.mark.parametrize(
    ("helo", "raw", "relayed"),
    [
        ("bindpost-relay.x", b"", True),
        ("BINDPOST-RELAY.X", b"", True),
        ("bindpost-relay", b"", False),
        ("client", b"Subject: bindpost-relay.x\r\n\r\n", False),
        (None, b"", False),
        ("mx", b"Received: from bindpost-relay.x (y) by z\r\n\r\n", True),
        ("mx", b"received:\r\n from\r\n\tbindpost-relay.x by z\r\n\r\n", True),
        ("mx", b"A: b\r\nReceived: from a\r\nReceived: from bindpost-relay.x\r\n\r\n", True),
        ("mx", b"X-Received: from bindpost-relay.x\r\n\r\n", False),
        ("mx", b"Received: by z for bindpost-relay.x\r\n\r\n", False),
        ("mx", b"A: b\r\n\r\nReceived: from bindpost-relay.x by z\r\n", False),
    ],
)
def test_what_a_relay_brought_is_known(helo: str | None, raw: bytes, relayed: bool) -> None:
    """The relay's name in the session's HELO, or in a Received field of the header, tells it."""
    assert was_relayed(row(helo), raw) is relayed
