"""Every row of the ssh matrix: from what was seen to the error that bind() gives."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindError
from bindpost.proxy import wsa
from bindpost.proxy.calling import NOTHING, UNTESTED
from bindpost.proxy.ssh.failures import Failures, HostKey, Progress
from bindpost.proxy.ssh.matrix import FACTS, REACH_ROWS, ROWS, Row
from bindpost.proxy.ssh.settings import SshSettings
from bindpost.proxy.ssh.standin import DISABLED, NOT_PERMITTED, OVERRIDDEN

SETTINGS = SshSettings(host="bastion.example", user="mail", key=Path("id"))
OPENSSH = "SSH-2.0-OpenSSH_9.2p1"
KEY_OPTIONS = "/home/mail/.ssh/authorized_keys:1: key options: port-forwarding pty"
TIMEOUT = asyncssh.ConnectionLost("Login timeout expired")
LOST = asyncssh.ConnectionLost("Connection lost")
NOT_TRUSTED = asyncssh.HostKeyNotVerifiable("Host key is not trusted for host bastion.example")


def failures(endpoint: str = "127.0.0.1:2525") -> Failures:
    """Make what makes errors."""
    return Failures(settings=SETTINGS, endpoint=Endpoint.parse(endpoint))


def connecting(error: OSError) -> BindError:
    """Fail to connect."""
    return failures().connecting([("192.0.2.1", error)])


def login(error: Exception, **seen: object) -> BindError:
    """Fail to log in, after something was seen."""
    progress = Progress()
    for name, value in seen.items():
        setattr(progress, name, value)
    return failures().login(error, progress)


def request(*debug: str, endpoint: str = "127.0.0.1:2525", version: str = OPENSSH) -> BindError:
    """Be refused a port."""
    return failures(endpoint).request(debug, version)


Case = tuple[str, int, Callable[[], BindError]]
CASES: list[Case] = [
    ("unresolvable", 11001, lambda: failures().resolving(socket.gaierror(socket.EAI_NONAME, "x"))),
    ("unresolvable", 11002, lambda: failures().resolving(TimeoutError())),
    ("unresolvable", 11001, lambda: failures().resolving(UnicodeError("label too long"))),
    ("refused", 10061, lambda: connecting(ConnectionRefusedError(errno.ECONNREFUSED, "no"))),
    ("unreachable", 10060, lambda: connecting(TimeoutError())),
    ("unreachable", 10065, lambda: connecting(OSError(errno.EHOSTUNREACH, "no route"))),
    ("closed-early", 10054, lambda: login(LOST)),
    ("closed-early", 10054, lambda: login(ConnectionResetError(errno.ECONNRESET, "reset"))),
    ("closed-early", 10054, lambda: login(LOST, heard=b"Exceeded MaxStartups\r\n")),
    ("silent", 10060, lambda: login(TIMEOUT)),
    ("not-ssh", 10060, lambda: login(TIMEOUT, heard=b"220 mx.example ESMTP\r\n")),
    ("not-ssh", 10054, lambda: login(LOST, heard=b"HTTP/1.1 400 Bad Request\r\n")),
    ("not-ssh", 10054, lambda: login(ValueError("not ASCII"), heard=b"SSH-2.0-\xff\n")),
    ("not-ssh", 10054, lambda: login(asyncssh.ProtocolError("Banner"), heard=b"\x15\x03\x01")),
    (
        "no-common-algorithm",
        10043,
        lambda: login(asyncssh.ProtocolNotSupported("Unsupported"), heard=b"SSH-1.5-old\n"),
    ),
    (
        "no-common-algorithm",
        10043,
        lambda: login(asyncssh.KeyExchangeFailed("No matching"), heard=b"SSH-", version=OPENSSH),
    ),
    ("known-hosts", 10013, lambda: failures().known_hosts(PermissionError(errno.EACCES, "no"))),
    ("known-hosts", 10022, lambda: failures().known_hosts(ValueError("Invalid entry"))),
    ("credentials", 10022, lambda: failures().credentials(asyncssh.KeyImportError("no key"))),
    ("credentials", 10022, lambda: login(ValueError("Unknown local username"))),
    ("host-key-unknown", 10013, lambda: login(NOT_TRUSTED, host_key=HostKey.UNKNOWN)),
    ("host-key-unknown", 10013, lambda: login(NOT_TRUSTED)),
    ("host-key-changed", 10013, lambda: login(NOT_TRUSTED, host_key=HostKey.CHANGED)),
    (
        "host-key-revoked",
        10013,
        lambda: login(asyncssh.HostKeyNotVerifiable("Host key is revoked for host x")),
    ),
    (
        "denied",
        10013,
        lambda: login(asyncssh.PermissionDenied("Permission denied"), version=OPENSSH),
    ),
    (
        "denied",
        10013,
        lambda: login(
            asyncssh.DisconnectError(2, "Too many authentication failures"),
            version=OPENSSH,
            authenticating=True,
        ),
    ),
    ("login-slow", 10060, lambda: login(TIMEOUT, version=OPENSSH)),
    ("lost-in-login", 10054, lambda: login(LOST, version=OPENSSH)),
    ("lost-in-login", 10054, lambda: login(LOST, version=OPENSSH, authenticating=True)),
    ("lost-in-login", 10054, lambda: login(ValueError("x"), heard=b"SSH-", version=OPENSSH)),
    ("not-tcp", 10047, lambda: failures("unix:/run/mail").of("not-tcp")),
    ("forwarding-disabled", 10013, lambda: request(KEY_OPTIONS, DISABLED)),
    ("permit-listen", 10013, lambda: request(KEY_OPTIONS, NOT_PERMITTED)),
    ("refused-unexplained", 10013, lambda: request(version="SSH-2.0-dropbear_2022.83")),
    ("refused-unexplained", 10013, lambda: request("forwarding is prohibited here")),
    ("no-answer", 10060, lambda: failures().of("no-answer")),
    ("lost-in-request", 10054, lambda: failures().lost("lost-in-request", LOST)),
    ("in-use", 10048, lambda: request()),
    ("in-use", 10048, lambda: request(KEY_OPTIONS, KEY_OPTIONS)),
    ("in-use", 10048, lambda: request(OVERRIDDEN.format("127.0.0.1"))),
    ("in-use-or-privileged", 10048, lambda: request(endpoint="127.0.0.1:25")),
    ("not-local", 10049, lambda: request(endpoint="192.0.2.7:0")),
    ("lost", 10054, lambda: failures().lost("lost", LOST)),
    ("lost", 10054, lambda: failures().lost("lost", None)),
    (
        "lost",
        10060,
        lambda: failures().lost(
            "lost", asyncssh.ConnectionLost("Server not responding to keepalive")
        ),
    ),
]


@pytest.mark.parametrize(
    ("key", "cause", "make"), CASES, ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)]
)
async def test_what_is_seen_becomes_its_row(
    key: str, cause: int, make: Callable[[], BindError]
) -> None:
    """The row's code, hop and hint, and the error underneath with its own number and name."""
    row, error = ROWS[key], make()
    begin = row.situation.partition("{")[0]

    assert (error.code, error.hop) == (row.code, row.hop)
    assert error.detail.startswith(begin)
    assert error.detail.endswith(f"({wsa.name_of(cause)}, {cause})")
    assert error.hint.startswith(row.hint.partition("{")[0])
    assert error.path == "ssh://mail@bastion.example:22"


def test_every_row_is_reached() -> None:
    """There is no row that nothing leads to."""
    assert {case[0] for case in CASES} == set(ROWS)


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_a_row_is_whole(row: Row) -> None:
    """A path that is at fault gives 10050, a port that is taken 10048; each says what to do."""
    assert row.code in {wsa.ENETDOWN, wsa.EADDRINUSE}
    assert (row.code == wsa.EADDRINUSE) == (row.hop == "bind" and "in use" in row.situation)
    assert "{" not in row.situation.format(**FACTS) + row.hint.format(**FACTS)
    assert row.shows


@pytest.mark.parametrize("row", REACH_ROWS.values(), ids=list(REACH_ROWS))
def test_a_finding_is_its_row(row: Row) -> None:
    """What a self-test finds is its row's; only a port that nobody reaches is a fault."""
    finding = failures().find(row.key, "as they say")

    assert row.code in {NOTHING, UNTESTED}
    assert finding.ok is (False if row.code == NOTHING else None)
    assert finding.detail.endswith(f": as they say ({wsa.name_of(row.cause)}, {row.cause})")
    assert "bastion.example" in finding.detail
    assert not set("{}") & set(finding.detail + finding.hint + row.shows.format(**FACTS))
    assert finding.hint


def test_what_a_server_says_is_quoted_and_cut() -> None:
    """Bytes of a stranger come into the log in one line, escaped and not without end."""
    error = login(LOST, heard=b"\x1b[2J\xff" + b"x" * 250)

    assert "\x1b" not in error.detail
    assert len(error.detail) < 300


def test_what_a_server_says_at_its_end_is_no_terminal_code() -> None:
    """The reason of a disconnect is a stranger's text, too."""
    goodbye = asyncssh.DisconnectError(2, "\x1b[2J" + "x" * 10_000)

    error = login(goodbye, version=OPENSSH, authenticating=True)

    assert "\x1b" not in error.detail
    assert len(error.detail) < 300


def test_the_fingerprint_is_told() -> None:
    """Who has to compare a key sees the one that was shown."""
    error = login(NOT_TRUSTED, host_key=HostKey.UNKNOWN, fingerprint="ssh-ed25519 SHA256:abc")

    assert "ssh-ed25519 SHA256:abc" in error.detail


def test_every_address_that_was_tried_is_told() -> None:
    """A name with several addresses fails with what each of them said."""
    error = failures().connecting(
        [("2001:db8::1", OSError(errno.ENETUNREACH, "off")), ("192.0.2.1", TimeoutError())]
    )

    assert "2001:db8::1: Network is unreachable; 192.0.2.1: no answer" in error.detail


def test_the_systems_words_are_told() -> None:
    """asyncio writes the address where the system has words; the words are what helps."""
    error = connecting(ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('::', 22)"))

    assert "Connection refused (WSAECONNREFUSED, 10061)" in error.detail


def test_a_foreign_address_may_be_the_reason() -> None:
    """sshd says nothing when the address isn't its own, so the hint of a taken port names that."""
    assert "no address of bastion.example" in request(endpoint="192.0.2.7:2525").hint
    assert "no address of" not in request(endpoint="127.0.0.1:2525").hint


async def test_a_timeouts_own_error_is_told_as_one() -> None:
    """asyncio's TimeoutError, which has no text, has words and its number."""
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    assert "no answer (WSAETIMEDOUT, 10060)" in connecting(caught.value).detail
