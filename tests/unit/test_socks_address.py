"""SOCKS proxies as URLs, and what is checked before anything is sent."""

from __future__ import annotations

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import ConfigError
from bindpost.proxy.socks.address import SocksProxy
from bindpost.proxy.socks.provider import SocksProvider


@pytest.mark.parametrize(
    ("url", "host", "port", "version", "user", "password"),
    [
        ("socks5://proxy", "proxy", 1080, 5, "", ""),
        ("socks5://proxy:1081/", "proxy", 1081, 5, "", ""),
        ("SOCKS5://me:secret@10.0.0.1:1080", "10.0.0.1", 1080, 5, "me", "secret"),
        ("socks5://m%40e:p%3A%2F%23%3F%25@proxy", "proxy", 1080, 5, "m@e", "p:/#?%"),
        ("socks5://m:a@b@proxy", "proxy", 1080, 5, "m", "a@b"),
        ("socks5://[::1]:1080", "::1", 1080, 5, "", ""),
        ("socks5://me:s%C3%A9cret@proxy", "proxy", 1080, 5, "me", "s\u00e9cret"),
        ("socks4://proxy:65535", "proxy", 65535, 4, "", ""),
        ("socks4://me@proxy", "proxy", 1080, 4, "me", ""),
        ("socks4a://me@proxy", "proxy", 1080, 4, "me", ""),
    ],
)
def test_url(url: str, host: str, port: int, version: int, user: str, password: str) -> None:
    """A URL gives version, address and login."""
    proxy = SocksProxy.from_url(url)

    assert (proxy.host, proxy.port, proxy.version) == (host, port, version)
    assert (proxy.user, proxy.password) == (user, password)


@pytest.mark.meets("socks5://", "half-login")
@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("socks5:", "names no host"),
        ("socks5://", "names no host"),
        ("socks5://:1080", "names no host"),
        ("socks5://u:secret@:1080", "names no host"),
        ("socks5://my proxy:1080", "names no host"),
        ("socks5://proxy:0", "1 to 65535"),
        ("socks5://proxy:65536", "1 to 65535"),
        ("socks5://proxy:http", "1 to 65535"),
        ("socks5://u:secret@proxy:http", "1 to 65535"),
        ("socks5://[::1", "IPv6"),
        ("socks5://me@proxy", "neither"),
        ("socks5://me:@proxy", "neither"),
        ("socks5://:secret@proxy", "neither"),
        ("socks5://" + "u" * 128 + ":secret@proxy", "127 bytes"),
        ("socks5://u:" + "%C3%A9" * 64 + "@proxy", "127 bytes"),
        ("socks4://me:secret@proxy", "socks5:// has"),
        ("socks4://me:@proxy", "socks5:// has"),
        ("socks4://me%00you@proxy", "zero"),
        ("socks5://proxy:1080/path", "is not socks5://"),
        ("socks5://u:sec#ret@proxy", "is not socks5://"),
        ("socks5://u:sec/ret@proxy", "is not socks5://"),
        ("socks5://proxy?x=y", "is not socks5://"),
        ("http://proxy:1080", "none of socks5, socks4, socks4a"),
    ],
)
def test_bad_url(url: str, problem: str) -> None:
    """What can't be right is refused with a sentence that says why, and shows no password."""
    with pytest.raises(ConfigError) as caught:
        SocksProvider.from_url(url)

    assert caught.value.key == "via"
    assert problem in caught.value.problem
    assert "sec" not in str(caught.value)


def test_longest_login() -> None:
    """127 bytes each are allowed: PySocks writes those lengths as one byte."""
    proxy = SocksProxy.from_url("socks5://" + "u" * 127 + ":" + "p" * 127 + "@proxy")

    assert (len(proxy.user), len(proxy.password)) == (127, 127)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("socks5://me:secret@proxy", "socks5://me:***@proxy:1080"),
        ("socks5://m%40e:secret@[::1]:1081", "socks5://m%40e:***@[::1]:1081"),
        ("socks4://me@proxy", "socks4://me@proxy:1080"),
        ("socks4a://proxy", "socks4a://proxy:1080"),
    ],
)
def test_shown_url(url: str, shown: str) -> None:
    """The provider's URL names the port and hides the password, and so does its proxy's repr."""
    assert SocksProvider.from_url(url).url == shown
    assert "secret" not in repr(SocksProxy.from_url(url))


def test_equal_providers() -> None:
    """Two providers of one proxy and one login bind alike, and a reload can tell."""
    one, same, other = (
        SocksProvider.from_url(url)
        for url in ("socks5://u:p@proxy", "socks5://u:p@proxy:1080", "socks5://u:q@proxy")
    )

    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != "socks5://u:p@proxy"


@pytest.mark.parametrize("endpoint", ["0.0.0.0:0", "0.0.0.0:25", "0.0.0.0:65535", "[::]:25"])
def test_wildcards_are_fine(endpoint: str) -> None:
    """With a wildcard the port is all that is asked for."""
    SocksProxy.from_url("socks5://proxy").check(Endpoint.parse(endpoint))


@pytest.mark.parametrize(
    ("endpoint", "advice"),
    [
        ("127.0.0.1:1025", "write 0.0.0.0:1025"),
        ("10.0.0.1:25", "write 0.0.0.0:25"),
        ("[::1]:25", "write 0.0.0.0:25"),
        ("localhost:25", "write 0.0.0.0:25"),
        ("unix:/run/bindpost", "write 0.0.0.0:PORT"),
    ],
)
def test_other_endpoints_are_not(endpoint: str, advice: str) -> None:
    """Any other host is refused, with what to write in its place."""
    with pytest.raises(ConfigError) as caught:
        SocksProxy.from_url("socks5://proxy").check(Endpoint.parse(endpoint))

    assert caught.value.key == "endpoint"
    assert endpoint in caught.value.problem
    assert advice in caught.value.hint


def test_socks4_has_no_ipv6() -> None:
    """[::] is for SOCKS5 only."""
    with pytest.raises(ConfigError, match="SOCKS4 is not"):
        SocksProxy.from_url("socks4://proxy").check(Endpoint("::", 25))
