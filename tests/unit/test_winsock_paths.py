"""Bind paths through the Winsock Proxy as URLs and as settings."""

from pathlib import Path

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import WinsockPath
from bindpost.errors import ConfigError
from bindpost.proxy.bindpath import Direction
from bindpost.proxy.winsock.provider import WinsockProvider

ANY_25 = Endpoint("0.0.0.0", 25)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("winsock://10.0.0.1", "winsock://10.0.0.1:1745"),
        ("winsock://PROXY:1746/", "winsock://PROXY:1746"),
        ("WINSOCK://10.0.0.1:1745", "winsock://10.0.0.1:1745"),
    ],
)
def test_url_names_the_server(url: str, shown: str) -> None:
    """A URL gives host and port, 1745 without one."""
    assert WinsockProvider.from_url(url).url == shown


def test_url_binds_every_port_on_the_proxy() -> None:
    """A URL means: enabled, and the listener's own port in ServerBindTcpPorts."""
    path = WinsockProvider.from_url("winsock://10.0.0.1").decide(ANY_25)

    assert path.direction == Direction.REMOTE
    assert "ServerBindTcpPorts" in path.rule


@pytest.mark.parametrize(
    "url",
    [
        "winsock:",
        "winsock://",
        "winsock://:1745",
        "winsock:10.0.0.1",
        "winsock://10.0.0.1:0",
        "winsock://10.0.0.1:65536",
        "winsock://10.0.0.1:udp",
        "winsock://[::1]:1745",
        "winsock://[::1",
        "winsock://10.0.0.1/path",
        "winsock://10.0.0.1?x=1",
        "winsock://10.0.0.1#x",
        "winsock://two words",
        "socks5://10.0.0.1",
    ],
)
def test_wrong_url_is_refused(url: str) -> None:
    """What is not `winsock://HOST[:PORT]` is a `ConfigError`."""
    with pytest.raises(ConfigError):
        WinsockProvider.from_url(url)


def test_password_in_a_url_is_refused_and_not_shown() -> None:
    """There is no login; the error does not repeat the password."""
    with pytest.raises(ConfigError) as caught:
        WinsockProvider.from_url("winsock://me:secret@10.0.0.1")

    assert "secret" not in str(caught.value)


def test_table_reads_its_files_from_the_folder(tmp_path: Path) -> None:
    """Relative names are relative to the configuration file's folder."""
    (tmp_path / "wspcfg.ini").write_text("[store]\nServerBindTcpPorts=110\n")
    (tmp_path / "mspclnt.ini").write_text(
        "[Servers Ip Addresses]\nAddr1=10.0.0.1\n[Common]\nPort=1746\n"
    )
    (tmp_path / "msplat.txt").write_text("10.0.0.0 10.255.255.255\n")
    table = WinsockPath(
        mspclnt="mspclnt.ini", wspcfg="wspcfg.ini", lat=("msplat.txt",), application="Store"
    )

    provider = WinsockProvider.from_table("lab", table, tmp_path)

    assert provider.url == "winsock://10.0.0.1:1746"
    assert provider.decide(Endpoint("0.0.0.0", 110)).direction == Direction.REMOTE
    assert provider.decide(Endpoint("203.0.113.1", 143)).direction == Direction.REMOTE
    assert provider.decide(Endpoint("0.0.0.0", 143)).direction == Direction.OPEN


def test_tables_server_replaces_the_files(tmp_path: Path) -> None:
    """`server` counts more than MSPCLNT.INI's; without a port the file's port stays."""
    (tmp_path / "mspclnt.ini").write_text("[Servers Ip Addresses]\nName=A\n[Common]\nPort=1746\n")

    tables = (
        WinsockPath(server="10.0.0.9", mspclnt="mspclnt.ini"),
        WinsockPath(server="10.0.0.9:1747", mspclnt="mspclnt.ini"),
    )

    assert [WinsockProvider.from_table("lab", table, tmp_path).url for table in tables] == [
        "winsock://10.0.0.9:1746",
        "winsock://10.0.0.9:1747",
    ]


def test_table_without_a_server_has_a_short_url(tmp_path: Path) -> None:
    """A path that knows no server is still shown."""
    assert WinsockProvider.from_table("lab", WinsockPath(), tmp_path).url == "winsock:"


def test_wrong_server_names_its_key(tmp_path: Path) -> None:
    """The error leads to the table's key."""
    with pytest.raises(ConfigError) as caught:
        WinsockProvider.from_table("lab", WinsockPath(server="10.0.0.1:x"), tmp_path)

    assert caught.value.key == "path.lab.server"


def test_warnings_of_the_files_are_kept(tmp_path: Path) -> None:
    """What the files' reader passed over can be told to the user."""
    (tmp_path / "wspcfg.ini").write_text("[msexcimc]\nControlChannel=Wsp.tcp\n")

    provider = WinsockProvider.from_table("lab", WinsockPath(wspcfg="wspcfg.ini"), tmp_path)

    assert len(provider.warnings) == 1


def test_disabled_client_is_local(tmp_path: Path) -> None:
    """`enabled = false` is the box in the client's control panel."""
    table = WinsockPath(server="10.0.0.1", enabled=False)

    path = WinsockProvider.from_table("lab", table, tmp_path).decide(ANY_25)

    assert (path.direction, path.source) == (Direction.LOCAL, "KB Q203116")


def test_same_files_make_the_same_provider(tmp_path: Path) -> None:
    """Providers are equal exactly when they bind alike, so a reload keeps what is bound."""
    wspcfg = tmp_path / "wspcfg.ini"

    def provider(text: str, table: WinsockPath) -> WinsockProvider:
        wspcfg.write_text(text)
        return WinsockProvider.from_table("lab", table, tmp_path)

    table = WinsockPath(server="10.0.0.1", wspcfg="wspcfg.ini")
    first = provider("[msexcimc]\nServerBindTcpPorts=25\n", table)

    assert first == provider("[msexcimc]\nServerBindTcpPorts=25\n", table)
    assert first != provider("[msexcimc]\nServerBindTcpPorts=26\n", table)
    assert first != provider("[msexcimc]\nServerBindTcpPorts=25\nPersistent=1\n", table)
    assert first != provider(
        "[msexcimc]\nServerBindTcpPorts=25\n", WinsockPath(server="10.0.0.2", wspcfg="wspcfg.ini")
    )
    assert first != object()


@pytest.mark.parametrize(
    ("section", "user", "warning"),
    [
        ("ForceCredentials=1\n", "", "nobody logs in"),
        ("", "LAB\\me", "only with ForceCredentials=1"),
        ("ForceCredentials=1\n", "LAB\\me", ""),
        ("", "", ""),
    ],
)
def test_half_a_login_is_a_warning(tmp_path: Path, section: str, user: str, warning: str) -> None:
    """An account without ForceCredentials=1, or the other way round, is told and logs nobody in."""
    (tmp_path / "wspcfg.ini").write_text(f"[msexcimc]\nServerBindTcpPorts=25\n{section}")
    (tmp_path / "word").write_text("secret\n")
    table = WinsockPath(
        server="10.0.0.1", wspcfg="wspcfg.ini", user=user, password_file="word" if user else ""
    )

    warnings = WinsockProvider.from_table("lab", table, tmp_path).warnings

    assert len(warnings) == bool(warning)
    assert warning in "".join(warnings)
