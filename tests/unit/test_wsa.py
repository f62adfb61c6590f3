"""Winsock error codes and the way to them."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import pytest

from bindpost.errors import BindError
from bindpost.proxy import wsa


def error_of(number: int) -> OSError:
    """Make an error as the system gives it."""
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EADDRINUSE, 10048),
        (errno.EADDRNOTAVAIL, 10049),
        (errno.EACCES, 10013),
        (errno.EPERM, 10013),
        (errno.ENETDOWN, 10050),
        (errno.ECONNREFUSED, 10061),
        (errno.ETIMEDOUT, 10060),
        (errno.EHOSTUNREACH, 10065),
        (errno.EMFILE, 10024),
        (errno.ENFILE, 10024),
        (errno.EWOULDBLOCK, 10035),
        (errno.EOPNOTSUPP, 10045),
        (errno.EPIPE, 10058),
        (errno.ENOENT, 10049),
    ],
)
def test_codes_of_system_errors(number: int, code: int) -> None:
    """An errno has the Winsock code of the same name."""
    assert wsa.code_of(error_of(number)) == code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("EAI_NONAME", 11001),
        ("EAI_AGAIN", 11002),
        ("EAI_FAIL", 11003),
        ("EAI_NODATA", 11004),
        ("EAI_FAMILY", 10047),
    ],
)
def test_codes_of_name_resolution(name: str, code: int) -> None:
    """Failures of getaddrinfo have the codes that Winsock defines them as."""
    assert wsa.code_of(socket.gaierror(getattr(socket, name), "x")) == code


def test_a_failure_of_resolution_that_nobody_knows() -> None:
    """What getaddrinfo says beside that still means that the host was not found."""
    assert wsa.code_of(socket.gaierror(-4711, "x")) == wsa.HOST_NOT_FOUND


@pytest.mark.parametrize(("number", "code"), [(1, 11001), (2, 11002), (4, 11004), (99, 11004)])
def test_codes_of_the_older_resolver(number: int, code: int) -> None:
    """h_errno is not mistaken for errno: 1 is no EPERM."""
    assert wsa.code_of(socket.herror(number, "x")) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError(), 10060),
        (ConnectionRefusedError(), 10061),
        (ConnectionResetError("gone"), 10054),
        (BrokenPipeError(), 10058),
    ],
)
def test_codes_of_errors_without_a_number(error: OSError, code: int) -> None:
    """Python's own classes are enough where there is no number."""
    assert wsa.code_of(error) == code


@pytest.mark.parametrize(
    "error", [OSError("could not bind"), OSError(99999, "x"), ssl.SSLError(1, "no shared cipher")]
)
def test_an_unknown_error_does_not_blame_the_proxy_path(error: OSError) -> None:
    """What has no code is a system call's failure and never 10050."""
    assert wsa.code_of(error) == wsa.UNKNOWN == 10107


@pytest.mark.parametrize("code", [10048, 10050, 11001])
def test_a_winsock_code_stays(code: int) -> None:
    """An error that carries a Winsock code, as on Windows and in BindError, keeps it."""
    bind_error = BindError(code, endpoint="e", path="p", hop="bind", detail="d", hint="h")

    assert wsa.code_of(OSError(code, "x")) == code
    assert wsa.code_of(bind_error) == code


def test_the_code_of_windows_comes_first() -> None:
    """Where Python translates the number, winerror still has the original."""
    error = error_of(errno.EACCES)
    error.winerror = 10048  # type: ignore[attr-defined]  # there on Windows only

    assert wsa.code_of(error) == 10048


def test_names_and_texts() -> None:
    """A code has its name and Microsoft's heading."""
    assert (wsa.name_of(10050), wsa.text_of(10050)) == ("WSAENETDOWN", "Network is down")
    assert (wsa.name_of(11001), wsa.text_of(11001)) == ("WSAHOST_NOT_FOUND", "Host not found")


def test_names_of_what_is_no_code() -> None:
    """Any number can be named without an error."""
    assert (wsa.name_of(4711), wsa.text_of(-1)) == ("4711", "Winsock error -1")


def test_every_bsd_name_keeps_its_number() -> None:
    """Where Winsock has WSA and a name of errno, that errno has that code."""
    codes = {wsa.name_of(code): code for code in range(10000, 11005)}
    shared = {
        number: codes[f"WSA{name}"]
        for number, name in errno.errorcode.items()
        if f"WSA{name}" in codes
    }

    assert len(shared) > 30
    assert {number: wsa.code_of(error_of(number)) for number in shared} == shared
