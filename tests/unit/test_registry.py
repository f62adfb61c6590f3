"""From `via` to a provider, and the hiding of passwords."""

from __future__ import annotations

from pathlib import Path

import pytest

from bindpost.config.model import (
    DirectPath,
    Listener,
    PathTable,
    Settings,
    SocksPath,
    SshPath,
    WinsockPath,
)
from bindpost.config.via import FORMS
from bindpost.errors import ConfigError
from bindpost.proxy.direct import DirectProvider
from bindpost.proxy.registry import provider_for, provider_of

KNOWN = ", ".join(FORMS.values())


@pytest.mark.parametrize("via", ["direct:", "DIRECT:", "here"])
def test_direct_by_url_or_by_name(via: str, tmp_path: Path) -> None:
    """The URL and a [path.NAME] of that type both give the provider."""
    settings = Settings(path={"here": DirectPath()})

    assert isinstance(provider_for(via, settings, tmp_path), DirectProvider)


def test_winsock_by_url_or_by_name(tmp_path: Path) -> None:
    """So do those of the Winsock Proxy."""
    settings = Settings(path={"lab": WinsockPath(server="127.0.0.1:1745")})

    by_url = provider_for("winsock://127.0.0.1:1745", settings, tmp_path)
    by_name = provider_for("lab", settings, tmp_path)

    assert type(by_url) is type(by_name)
    assert by_url.url == "winsock://127.0.0.1:1745"


VIAS = [
    "direct:",
    "socks5://proxy:1080",
    "socks5://proxy:1081",
    "ssh://mail@bastion",
    "ssh://bastion",
    "winsock://proxy",
    "winsock://other",
    "socks-table",
    "socks-fast",
    "ssh-table",
    "ssh-fast",
    "winsock-table",
]


def test_providers_of_the_same_settings_are_equal(tmp_path: Path) -> None:
    """A reload keeps what is bound: the same settings give an equal provider, others don't."""
    pytest.importorskip("asyncssh")
    (tmp_path / "wspcfg.ini").write_text(
        "[msexcimc]\nServerBindTcpPorts=25\nProxyBindIp=25:10.0.0.1\n"
    )
    paths: dict[str, PathTable] = {
        "socks-table": SocksPath(url="socks5://proxy:1082"),
        "socks-fast": SocksPath(url="socks5://proxy:1082", keepalive=2),
        "ssh-table": SshPath(host="bastion", port=2222),
        "ssh-fast": SshPath(host="bastion", port=2222, keepalive=2),
        "winsock-table": WinsockPath(server="10.0.0.1", wspcfg="wspcfg.ini"),
    }
    settings = Settings(path=paths)
    listeners = [
        Listener(endpoint="127.0.0.1:0", via=via, proxy_protocol=header, proxy_timeout=seconds)
        for via in VIAS
        for header, seconds in ((False, 5.0), (True, 5.0), (True, 6.0))
    ]

    once, twice = (
        [provider_of(listener, settings, tmp_path) for listener in listeners] for _ in range(2)
    )

    assert once == twice
    assert len(set(once)) == len({*once, *twice}) == len(listeners)


def test_a_socks_table_names_its_key(tmp_path: Path) -> None:
    """A bad URL in a table is told by the table's key, without its password."""
    settings = Settings(path={"lab": SocksPath(url="socks5://me:secret@")})

    with pytest.raises(ConfigError) as caught:
        provider_for("lab", settings, tmp_path)

    assert caught.value.key == "path.lab.url"
    assert "secret" not in str(caught.value)


def test_what_is_not_known_is_refused_with_what_is(tmp_path: Path) -> None:
    """The message lists URLs and names, and hides a password."""
    settings = Settings(path={"lab": DirectPath()})

    with pytest.raises(ConfigError) as caught:
        provider_for("socks9://me:secret@10.0.0.1", settings, tmp_path)

    assert str(caught.value) == (
        'via: "socks9://me:***@10.0.0.1" is no known scheme of a bind path; '
        f"known: {KNOWN}, [path.lab]"
    )
