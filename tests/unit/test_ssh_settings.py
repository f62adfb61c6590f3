"""The ssh path's URL and table: what they mean, what is refused, what is not shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from bindpost.config.model import SshPath
from bindpost.errors import ConfigError
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.settings import KNOWN_HOSTS, SshSettings


def table(host: str = "bastion.example", **others: Any) -> SshPath:
    """Give a `[path.NAME]` table as the settings have it."""
    return SshPath(host=host, **others)


@pytest.mark.parametrize(
    ("url", "host", "port", "user"),
    [
        ("ssh://bastion.example", "bastion.example", 22, ""),
        ("ssh://mail@bastion.example", "bastion.example", 22, "mail"),
        ("ssh://mail@bastion.example:2222/", "bastion.example", 2222, "mail"),
        ("ssh://mail@[::1]:2222", "::1", 2222, "mail"),
        ("ssh://do%5Cmail@10.0.0.1", "10.0.0.1", 22, "do\\mail"),
    ],
)
def test_a_url_is_read(url: str, host: str, port: int, user: str) -> None:
    """User and port are optional; the port is then 22."""
    settings = SshSettings.from_url(url)

    assert (settings.host, settings.port, settings.user) == (host, port, user)


@pytest.mark.parametrize(
    "url",
    [
        "ssh:",
        "ssh://",
        "ssh://:22",
        "ssh://@bastion",
        "ssh://bastion:0",
        "ssh://bastion:70000",
        "ssh://bastion:port",
        "ssh://bastion/path",
        "ssh://bastion?x=1",
        "ssh://bas tion",
        "ssh://a%20b@bastion",
        "ssh://a%00b@bastion",
        "ssh://[::1",
        "sshd://bastion",
    ],
)
def test_a_bad_url_is_refused(url: str) -> None:
    """What names no host, no port or no user is an error of the configuration."""
    with pytest.raises(ConfigError) as caught:
        SshSettings.from_url(url)

    assert caught.value.key == "via"


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    """A password has no place in a URL, and not in the error either."""
    with pytest.raises(ConfigError) as caught:
        SshSettings.from_url("ssh://mail:secret@bastion")

    assert "secret" not in str(caught.value)
    assert "password_file" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ssh://bastion", "ssh://bastion:22"),
        ("ssh://mail@[::1]", "ssh://mail@[::1]:22"),
        ("ssh://do%5Cmail@bastion", "ssh://do%5Cmail@bastion:22"),
    ],
)
def test_the_url_is_told_with_its_port(url: str, shown: str) -> None:
    """The provider tells its path as a URL that means the same."""
    assert SshProvider.from_url(url).url == shown


def test_without_asyncssh_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not installed the extra is told its name."""
    monkeypatch.setitem(sys.modules, "asyncssh", None)

    with pytest.raises(ConfigError, match=r"bindpost\[ssh\]"):
        SshProvider.from_url("ssh://bastion")


def test_the_users_own_known_hosts_is_the_default() -> None:
    """Nobody is trusted who isn't in the user's own file, unless another is named."""
    assert SshSettings.from_url("ssh://bastion").known_hosts == KNOWN_HOSTS
    assert SshSettings.from_table("lab", table(), Path()).known_hosts == KNOWN_HOSTS


def test_a_table_is_read(tmp_path: Path) -> None:
    """File names are relative to the folder of the settings file."""
    for name in ("hosts", "key", "word"):
        (tmp_path / name).touch()
    given = table(
        port=2222, user="mail", known_hosts="hosts", key="key", agent=False, password_file="word"
    )

    settings = SshSettings.from_table("lab", given, tmp_path)

    assert settings == SshSettings(
        host="bastion.example",
        port=2222,
        user="mail",
        known_hosts=tmp_path / "hosts",
        key=tmp_path / "key",
        agent=False,
        password_file=tmp_path / "word",
    )


@pytest.mark.parametrize(
    ("given", "key"),
    [
        (table(host=""), "path.lab.host"),
        (table(host="a@b"), "path.lab.host"),
        (table(port=0), "path.lab.port"),
        (table(user="two words"), "path.lab.user"),
        (table(known_hosts="absent"), "path.lab.known_hosts"),
        (table(key="absent"), "path.lab.key"),
        (table(password_file="absent"), "path.lab.password_file"),
    ],
)
def test_a_bad_table_names_its_key(given: SshPath, key: str, tmp_path: Path) -> None:
    """What can't be used is named by the key that it stands under."""
    with pytest.raises(ConfigError) as caught:
        SshProvider.from_table("lab", given, tmp_path)

    assert caught.value.key == key
