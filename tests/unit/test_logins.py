"""Who may log in: the users file, and the comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

from bindpost.errors import ConfigError
from bindpost.server.logins import accepts, read_users

SECRET = "correct horse"


def _write(folder: Path, text: str | bytes) -> Path:
    path = folder / "users.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_users_are_read(tmp_path: Path) -> None:
    """Names have no case, passwords have; a password may hold colons, blanks and any script."""
    path = _write(tmp_path, f"# comment\n\n   \nAnn:{SECRET}\nbob:a:b:c \nÄrger:пароль\nempty:\n")

    assert read_users(path) == {
        "ann": SECRET.encode(),
        "bob": b"a:b:c ",
        "ärger": "пароль".encode(),
        "empty": b"",
    }


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_both_line_endings_are_read(tmp_path: Path, ending: str) -> None:
    """A users file may come from either world."""
    path = _write(tmp_path, f"ann:one{ending}bob:two{ending}")

    assert read_users(path) == {"ann": b"one", "bob": b"two"}


@pytest.mark.parametrize("line", ["ann", ":password", ":"])
def test_a_bad_line_is_told_by_its_number_only(tmp_path: Path, line: str) -> None:
    """The error names file and line, and no password."""
    path = _write(tmp_path, f"bob:{SECRET}\n{line}\n")

    with pytest.raises(ConfigError) as caught:
        read_users(path)

    assert caught.value.key == "auth.users"
    assert f"line 2 of {path}" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_file_that_is_not_there_is_named_once(tmp_path: Path) -> None:
    """The reason is the system's words, without its numbers."""
    with pytest.raises(ConfigError) as caught:
        read_users(tmp_path / "none")

    assert str(caught.value) == (
        f"auth.users: cannot read {tmp_path / 'none'}: No such file or directory"
    )


def test_a_line_without_a_colon_is_not_shown(tmp_path: Path) -> None:
    """What may be a password by mistake is not in the error."""
    with pytest.raises(ConfigError) as caught:
        read_users(_write(tmp_path, SECRET))

    assert SECRET not in repr(caught.value)


def test_a_missing_file_is_a_configuration_error(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(ConfigError, match=r"nobody\.txt"):
        read_users(tmp_path / "nobody.txt")


def test_a_file_that_is_no_text_is_a_configuration_error(tmp_path: Path) -> None:
    """What is not UTF-8 is refused, and not shown."""
    with pytest.raises(ConfigError) as caught:
        read_users(_write(tmp_path, f"ann:{SECRET}".encode() + b"\xff"))

    assert SECRET not in str(caught.value)


def test_a_folder_is_a_configuration_error(tmp_path: Path) -> None:
    """A folder is no users file."""
    with pytest.raises(ConfigError):
        read_users(tmp_path)


@pytest.mark.parametrize(
    ("login", "password", "answer"),
    [
        (b"ann", b"one", True),
        (b"ANN", b"one", True),
        (b"ann", b"ONE", False),
        (b"ann", b"one ", False),
        (b"ann", b"", False),
        (b"bob", b"", True),
        (b"bob", b"\0", False),
        (b"carl", b"one", False),
        (b"carl", b"\0", False),
        (b"carl", b"", False),
        (b"", b"", False),
        (b"\xff\xfe", b"\xff", False),
    ],
)
def test_a_login_is_good_with_its_own_password(login: bytes, password: bytes, answer: bool) -> None:
    """Only a known name with its own password is accepted."""
    assert accepts({"ann": b"one", "bob": b""}, login, password) is answer


@pytest.mark.parametrize(("login", "password"), [(b"", b""), (b"x", b"y"), (b"\xff", b"\0")])
def test_without_users_every_login_is_good(login: bytes, password: bytes) -> None:
    """A test listener takes every login unless it is told who there is."""
    assert accepts(None, login, password)
