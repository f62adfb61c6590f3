"""The NTLM parts: MD4, known answers of the specification, and what a table says of a login."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bindpost.errors import ConfigError
from bindpost.proxy.winsock.md4 import md4
from bindpost.proxy.winsock.ntlm import (
    Credentials,
    Login,
    LoginError,
    read_credentials,
    require,
)
from bindpost.proxy.winsock.standin_login import (
    Accounts,
    Answer,
    LoginAcceptor,
    TokenError,
    parse_answer,
)

SERVER_CHALLENGE = bytes.fromhex("0123456789abcdef")
NT_PROOF = bytes.fromhex("68cd0ab851e51c96aabc927bebef6a1c")
CLIENT_CHALLENGE = bytes.fromhex(
    "0101000000000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000"
    "02000c00 44006f006d00610069006e00 01000c00 530065007200760065007200 00000000 00000000"
)


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        ("a", "bde52cb31de33e46245e05fbdbd6fb24"),
        ("abc", "a448017aaf21d8525fc10ae87aa6729d"),
        ("message digest", "d9130a8164549fe818874806e1c7014b"),
        ("abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
        (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "043f8582f241db351ce627e153e7f0e4",
        ),
        ("1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4_is_rfc_1320s(text: str, digest: str) -> None:
    """The test suite of RFC 1320, A.5."""
    assert md4(text.encode()).hex() == digest


@pytest.mark.parametrize(
    ("accounts", "right"),
    [
        ({"User": "Password"}, True),
        ({"domain\\USER": "Password"}, True),
        ({"User": "password"}, False),
        ({"Other\\User": "Password"}, False),
        ({}, False),
    ],
)
def test_answer_of_the_specification(accounts: dict[str, str], right: bool) -> None:
    """The NTLMv2 example of MS-NLMP 4.2.4 is right for its account only."""
    answer = Answer("Domain", "User", NT_PROOF + CLIENT_CHALLENGE)

    assert Accounts(accounts).check(answer, SERVER_CHALLENGE) is right


@pytest.mark.parametrize("response", [b"", bytes(24), NT_PROOF], ids=["none", "v1", "short"])
def test_answers_of_older_ntlm_are_wrong(response: bytes) -> None:
    """What is too short for NTLMv2 is no answer."""
    answer = Answer("Domain", "User", response)

    assert not Accounts({"User": "Password"}).check(answer, SERVER_CHALLENGE)


def test_answer_counts_once() -> None:
    """The same answer a second time, without a challenge of its own, is refused."""
    login, acceptor = Login(Credentials(user="me", password="x")), LoginAcceptor(Accounts({}))
    token = login.authenticate(acceptor.challenge(login.negotiate()))
    acceptor.accept(token)

    with pytest.raises(TokenError):
        acceptor.accept(token)


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"NTLMSSP\0",
        b"NTLMSSP\0\3\0\0\0",
        b"NTLMSSP\0\1\0\0\0" + bytes(60),
        b"NTLMSSP\0\3\0\0\0" + b"\xff" * 60,
        b"NTLMSSP\0\3\0\0\0" + bytes(16) + b"\1\0\1\0\0\0\0\0" + bytes(24) + b"\1\0\0\0",
    ],
)
def test_answer_that_is_none_is_refused(token: bytes) -> None:
    """Cut, of another kind, with fields beyond its end, with half a character: `TokenError`."""
    with pytest.raises(TokenError):
        parse_answer(token)


def test_challenge_that_is_none_is_refused() -> None:
    """A server's junk is an error of its own, not pyspnego's."""
    login = Login(Credentials(user="me", password="x"))
    login.negotiate()

    with pytest.raises(LoginError):
        login.authenticate(b"NTLMSSP\0\2\0\0\0")


def test_password_is_not_in_the_repr() -> None:
    """Credentials show who, and not the password."""
    assert "s3cret" not in repr(Credentials(user="me", password="s3cret"))


def test_first_line_of_the_file_is_the_password(tmp_path: Path) -> None:
    """The file's name is relative to the folder; its line end does not count."""
    (tmp_path / "word").write_bytes(b"p\xc3\xa4ss word \r\nnot this\n")

    assert read_credentials("path.lab", "LAB\\me", "word", tmp_path) == Credentials(
        user="LAB\\me", password="p\u00e4ss word "
    )
    assert read_credentials("path.lab", "", "", tmp_path) is None


@pytest.mark.parametrize(
    ("user", "file", "key"),
    [
        ("", "word", "path.lab.user"),
        ("me", "", "path.lab.password_file"),
        ("me", "absent", "path.lab.password_file"),
        ("me", "odd", "path.lab.password_file"),
    ],
)
def test_half_a_login_names_its_key(tmp_path: Path, user: str, file: str, key: str) -> None:
    """A login without its other half, or with a file that can't be read, is a `ConfigError`."""
    (tmp_path / "word").write_text("x")
    (tmp_path / "odd").write_bytes(b"\xff")

    with pytest.raises(ConfigError) as caught:
        read_credentials("path.lab", user, file, tmp_path)

    assert caught.value.key == key


def test_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyspnego the error names the extra."""
    monkeypatch.setitem(sys.modules, "spnego", None)

    with pytest.raises(ConfigError) as caught:
        require("path.lab.user")

    assert "bindpost[ntlm]" in caught.value.hint
