"""Settings of the relay: the server, the way there, the login; what is wrong is told without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import Relay
from bindpost.errors import ConfigError
from bindpost.server.relay import Route


def load(folder: Path, **settings: Any) -> Route | None:
    """Load a route from settings."""
    return Route.load(Relay(**settings), folder=folder)


def test_no_server_is_no_route(tmp_path: Path) -> None:
    """By default nothing is relayed."""
    assert load(tmp_path) is None


def test_a_server_alone_is_enough(tmp_path: Path) -> None:
    """A server is reached directly, without TLS and without a login."""
    route = load(tmp_path, server="smtp.example.org:25")

    assert route == Route(server=Endpoint("smtp.example.org", 25))
    assert route.via == "direct:"
    assert route.first_hop == Endpoint("smtp.example.org", 25)


@pytest.mark.parametrize(
    "server",
    [
        "smtp.example.org",
        "smtp.example.org:0",
        "smtp.example.org:99999",
        ":25",
        "unix:/run/mail",
        "0.0.0.0:25",
        "[::]:25",
        "a b:25",
        "-x:25",
        "x@y:25",
        "bücher.example:25",
        "::1:25",
    ],
)
def test_what_is_no_server_is_refused(tmp_path: Path, server: str) -> None:
    """A server that can't be connected to is refused, with the form that can."""
    with pytest.raises(ConfigError, match="HOST:PORT") as caught:
        load(tmp_path, server=server)

    assert caught.value.key == "relay.server"


@pytest.mark.parametrize(
    ("via", "shown", "first_hop"),
    [
        ("direct:", "direct:", "h:25"),
        ("socks5://p:1081", "socks5://p:1081", "p:1081"),
        ("SOCKS5://p", "socks5://p:1080", "p:1080"),
        ("socks5://me:s3cret@[::1]:1080", "socks5://me:***@[::1]:1080", "[::1]:1080"),
        ("socks4://me@p:1080", "socks4://me@p:1080", "p:1080"),
        ("socks4a://p:1080/", "socks4a://p:1080", "p:1080"),
        ("http://p:3128", "http://p:3128", "p:3128"),
        ("http://me%40x:s3cret%2F@p:3128", "http://me%40x:***@p:3128", "p:3128"),
    ],
)
def test_the_way_is_shown_without_its_password(
    tmp_path: Path, via: str, shown: str, first_hop: str
) -> None:
    """Each kind of way is read; shown, its password is hidden."""
    route = load(tmp_path, server="h:25", via=via)

    assert route is not None
    assert (route.via, str(route.first_hop)) == (shown, first_hop)
    assert "s3cret" not in repr(route)


def test_a_login_is_decoded(tmp_path: Path) -> None:
    """User and password of a URL may be percent-encoded."""
    route = load(tmp_path, server="h:25", via="http://a%40b:c%2Fd@p:3128")

    assert route is not None
    assert route.proxy is not None
    assert (route.proxy.user, route.proxy.password) == ("a@b", "c/d")


@pytest.mark.parametrize(
    "via",
    [
        "https://p:443",
        "ftp://p:21",
        "winsock://p:1745",
        "p:1080",
        "socks5://",
        "socks5://me@p:1080",
        "socks4://me:s3cret@p:1080",
        "http://p",
        "http://:3128",
        "http://p:0",
        "http://p:x",
        "http://[p:1",
        "http://p:3128/path",
        "http://p:3128?q",
        "http://me@p:3128",
        "http://me%3Ax:s3cret@p:3128",
        "http://me:s3cret/@p:3128",
        "http://me:s3cret@p p:3128",
    ],
)
def test_what_is_no_way_is_refused(tmp_path: Path, via: str) -> None:
    """A way that can't be used is refused, and the message shows no password."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, server="h:25", via=via)

    assert caught.value.key == "relay.via"
    assert "s3cret" not in str(caught.value)


def test_socks4_goes_to_no_ipv6_address(tmp_path: Path) -> None:
    """SOCKS4 has no IPv6; that is told before anything is sent."""
    with pytest.raises(ConfigError, match="SOCKS4 is not"):
        load(tmp_path, server="[2001:db8::1]:25", via="socks4://p:1080")


# Login and TLS


def test_the_password_is_the_files_line(tmp_path: Path) -> None:
    """The end of the line isn't part of the password; blanks are; it is never shown."""
    (tmp_path / "password").write_bytes(b" s3cret \r\n")
    route = load(tmp_path, server="h:25", user="me", password_file="password", tls="starttls")

    assert route is not None
    assert (route.user, route.password) == ("me", " s3cret ")
    assert "s3cret" not in repr(route)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"user": "me"}, "relay.password_file"),
        ({"password_file": "password"}, "relay.user"),
        ({"user": "me", "password_file": "missing"}, "relay.password_file"),
        ({"user": "me", "password_file": "empty"}, "relay.password_file"),
        ({"user": "me", "password_file": "lines"}, "relay.password_file"),
        ({"user": "me", "password_file": "latin"}, "relay.password_file"),
        ({"user": "me", "password_file": "umlaut"}, "relay.password_file"),
        ({"user": "mé", "password_file": "password"}, "relay.user"),
        ({"ca_file": "missing"}, "relay.ca_file"),
        ({"ca_file": "password"}, "relay.ca_file"),
    ],
)
def test_what_is_no_login_is_refused(tmp_path: Path, settings: dict[str, str], key: str) -> None:
    """A login is a name and a file with one line of ASCII; certificates are in a PEM file."""
    (tmp_path / "password").write_text("s3cret\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "lines").write_text("s3cret\nQUIT\n")
    (tmp_path / "latin").write_bytes(b"s3cret\xff")
    (tmp_path / "umlaut").write_text("s3cretü", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, server="h:25", tls="starttls", **settings)

    assert caught.value.key == key
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("server", "via", "refused"),
    [
        ("smtp.example.org:25", "direct:", True),
        ("192.0.2.1:25", "direct:", True),
        ("127.0.0.1:25", "direct:", False),
        ("[::1]:25", "direct:", False),
        ("localhost:25", "direct:", False),
        ("127.0.0.1:25", "socks5://p:1080", True),
    ],
)
def test_a_password_does_not_leave_the_machine_in_the_clear(
    tmp_path: Path, server: str, via: str, refused: bool
) -> None:
    """Without TLS a login is given to a server on this machine only."""
    (tmp_path / "password").write_text("s3cret\n")
    settings = {"server": server, "via": via, "user": "me", "password_file": "password"}
    if not refused:
        assert load(tmp_path, **settings) is not None
        return
    with pytest.raises(ConfigError, match="in the clear") as caught:
        load(tmp_path, **settings)

    assert caught.value.key == "relay.tls"
