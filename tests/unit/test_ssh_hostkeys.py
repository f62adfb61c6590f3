"""Host keys: which are trusted, and how a changed one is told from an unknown one."""

from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from bindpost.proxy.ssh.failures import HostKey
from bindpost.proxy.ssh.hostkeys import KnownHost
from bindpost.proxy.ssh.settings import KNOWN_HOSTS

KEY = asyncssh.generate_private_key("ssh-ed25519").convert_to_public()
OTHER = asyncssh.generate_private_key("ecdsa-sha2-nistp256").convert_to_public()
HASHED = "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg="
"""192.168.1.61, as `ssh-keygen -H` writes it (the example of sshd(8))."""


def line(names: str, key: asyncssh.SSHKey = KEY, marker: str = "") -> str:
    """Make a line of known_hosts."""
    return f"{marker}{names} {key.export_public_key().decode()}"


@pytest.fixture
def known_hosts(tmp_path: Path) -> Path:
    """Give the name of a file."""
    return tmp_path / "known_hosts"


def read(file: Path, *lines: str, port: int = 22) -> KnownHost:
    """Look bastion.example, 192.0.2.1, up in a file of these lines."""
    file.write_text("".join(lines))
    return KnownHost.read(file, "bastion.example", "192.0.2.1", port)


@pytest.mark.parametrize(
    ("names", "port"),
    [
        ("bastion.example", 22),
        ("192.0.2.1", 22),
        ("other,bastion.example", 22),
        ("*.example", 22),
        ("[bastion.example]:2222", 2222),
        ("[192.0.2.1]:2222", 2222),
        ("bastion.example", 2222),  # OpenSSH looks without the port, too
    ],
)
def test_a_known_key_is_trusted(known_hosts: Path, names: str, port: int) -> None:
    """A key is trusted by name, address or pattern."""
    assert read(known_hosts, line(names), port=port).judge(KEY) is HostKey.TRUSTED


def test_a_hashed_name_is_found(known_hosts: Path) -> None:
    """Names may be hashed, as HashKnownHosts makes them."""
    known_hosts.write_text(line(HASHED))

    known = KnownHost.read(known_hosts, "192.168.1.61", "192.168.1.61", 22)

    assert known.judge(KEY) is HostKey.TRUSTED


@pytest.mark.parametrize(
    ("names", "port"), [("bastion.example", 22), ("[bastion.example]:2222", 2222)]
)
def test_another_key_is_a_change(known_hosts: Path, names: str, port: int) -> None:
    """A key is changed when the file has another one for that very host and port."""
    assert read(known_hosts, line(names), port=port).judge(OTHER) is HostKey.CHANGED


@pytest.mark.parametrize(
    ("lines", "port"),
    [
        ([], 22),
        ([line("elsewhere.example")], 22),
        ([line("[bastion.example]:2222")], 22),
        ([line("bastion.example")], 2222),  # another server on the same host
        ([line("*.example", marker="@cert-authority ")], 22),  # signs other keys
    ],
)
def test_a_key_of_nobody_is_unknown(known_hosts: Path, lines: list[str], port: int) -> None:
    """A key is unknown when the file has none for that host and port."""
    assert read(known_hosts, *lines, port=port).judge(OTHER) is HostKey.UNKNOWN


def test_an_authority_is_trusted_for_certificates_only(known_hosts: Path) -> None:
    """The key of an authority is trusted where it has signed, not as a host's own."""
    known = read(known_hosts, line("*.example", marker="@cert-authority "))

    assert known.judge_authority(KEY) is HostKey.TRUSTED
    assert known.judge(KEY) is HostKey.UNKNOWN


def test_revoked_keys_are_told(known_hosts: Path) -> None:
    """A revoked key is kept apart, for asyncssh to refuse."""
    known = read(known_hosts, line("*", marker="@revoked "))

    assert known.revoked == (KEY,)
    assert known.keys == ()


def test_known_kinds_of_key_are_asked_for_first(known_hosts: Path) -> None:
    """The server is asked for the kind of key that is known, and for the others after it."""
    assert read(known_hosts, line("bastion.example")).algorithms == "^ssh-ed25519"
    assert read(known_hosts).algorithms is None


def test_the_users_own_file_may_be_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no known_hosts knows nobody; that is no error, and never trust."""
    monkeypatch.setenv("HOME", str(tmp_path))

    known = KnownHost.read(KNOWN_HOSTS, "bastion.example", "192.0.2.1", 22)

    assert known.judge(KEY) is HostKey.UNKNOWN


def test_a_named_file_must_be_there(known_hosts: Path) -> None:
    """A file that was named and isn't there is an error."""
    with pytest.raises(FileNotFoundError):
        KnownHost.read(known_hosts, "bastion.example", "192.0.2.1", 22)


def test_a_broken_file_is_an_error(known_hosts: Path) -> None:
    """A line that is none is an error, not passed over."""
    with pytest.raises(ValueError, match="Invalid known hosts entry"):
        read(known_hosts, "bastion.example\n")
