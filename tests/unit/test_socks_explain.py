"""From what PySocks and the system say to the error of event 4007."""

from __future__ import annotations

import errno
import os
import re
import socket
import string
from collections.abc import Iterator

import pytest
import socks  # type: ignore[import-untyped]  # PySocks has no types

from bindpost.config.endpoint import Endpoint
from bindpost.proxy import wsa
from bindpost.proxy.calling import NOTHING, UNTESTED
from bindpost.proxy.socks.address import SocksProxy
from bindpost.proxy.socks.bindsocket import BindSocket
from bindpost.proxy.socks.explain import SHOWN, explain, find, shown
from bindpost.proxy.socks.matrix import LOCAL, MATRIX, Row, row_for
from bindpost.proxy.socks.symptom import HOPS, REACH, Service, Sign, Symptom, sign_of

HERE = Endpoint("0.0.0.0", 2525)
PATH = "socks5://proxy:1080"
FAILURES = [row for row in MATRIX if row.signs]


def symptom(
    hop: str = "connect",
    sign: Sign = Sign.OS_ERROR,
    *,
    version: int = 5,
    code: int | None = None,
    text: str = "",
    named: Service | None = None,
) -> Symptom:
    """Make a symptom."""
    return Symptom(
        version=version, hop=hop, sign=sign, target="proxy:1080", code=code, text=text, named=named
    )


def system_error(number: int, hop: str = "connect") -> Symptom:
    """Make the symptom of an operating system's error."""
    error = OSError(number, os.strerror(number))
    sign, code = sign_of(error)
    return symptom(hop, sign, code=code, text=os.strerror(number))


# The table


def test_keys_are_unique() -> None:
    """A row is found by its key."""
    assert len({row.key for row in MATRIX}) == len(MATRIX)


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: row.key)
def test_row_is_complete(row: Row) -> None:
    """A row is either an error with all that belongs to it, or says what comes of it."""
    assert row.situation
    assert bool(row.outcome) != bool(row.signs)
    if row.signs:
        assert row.detail
        assert row.hint
        assert row.winsock
        assert row.event in (wsa.ENETDOWN, wsa.EADDRINUSE, LOCAL, NOTHING, UNTESTED)
        assert wsa.name_of(row.winsock) != str(row.winsock)
        assert set(row.hops) <= {*HOPS, REACH}


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: row.key)
def test_hints_are_phrases(row: Row) -> None:
    """A hint is put after other text: it has no full stop, and shows no placeholder."""
    assert not row.hint.endswith(".")
    assert "{" not in row.hint


@pytest.mark.parametrize("row", FAILURES, ids=lambda row: row.key)
def test_no_row_is_hidden_by_those_before_it(row: Row) -> None:
    """For each row there is a symptom that falls to it."""
    symptoms = (
        symptom(hop, sign, version=version, code=code, named=row.named)
        for hop in row.hops or HOPS
        for sign in row.signs
        for version in ((row.version,) if row.version else (4, 5))
        for code in row.codes or (99,)
    )

    assert any(row_for(each) is row for each in symptoms)


@pytest.mark.parametrize("hop", HOPS)
@pytest.mark.parametrize("sign", [sign for sign in Sign if sign is not Sign.UNANNOUNCED])
@pytest.mark.parametrize("version", [4, 5])
def test_every_symptom_is_explained(hop: str, sign: Sign, version: int) -> None:
    """Whatever is seen becomes an error that names the proxy, the underlying error and a cure."""
    for code in (None, 0x01, 0x5B, 0xFF):
        error = explain(symptom(hop, sign, version=version, code=code), HERE, PATH)

        assert error.code in (wsa.ENETDOWN, wsa.EADDRINUSE)
        assert (error.endpoint, error.path, error.hop) == (str(HERE), PATH, hop)
        assert "proxy:1080" in error.detail
        assert re.search(r" \(\d+", error.detail)
        assert not set("{}") & set(error.detail)
        assert error.hint


@pytest.mark.parametrize("sign", Sign)
@pytest.mark.parametrize("version", [4, 5])
def test_every_symptom_of_a_self_test_is_told(sign: Sign, version: int) -> None:
    """Whatever a self-test sees names the proxy and what to do; only what is sure is a fault."""
    for code in (None, 0x01, 0x02, 0x05, 0x5B, 0xFF):
        seen = symptom(REACH, sign, version=version, code=code)
        finding = find(seen)

        assert finding.ok is (False if row_for(seen).event == NOTHING else None)
        assert "proxy:1080" in finding.detail
        assert not set("{}") & set(finding.detail)
        assert finding.hint
    assert find(symptom("accept", Sign.UNANNOUNCED, version=version)).ok is False


def test_what_a_self_test_finds_is_no_error_of_a_bind() -> None:
    """Rows without an event are those of the self-test; `explain` is never asked for them."""
    only_tested = {row.key for row in FAILURES if row.event in (NOTHING, UNTESTED)}

    assert only_tested == {row.key for row in FAILURES if REACH in row.hops} | {"never-announced"}


def test_only_a_taken_port_is_10048() -> None:
    """A success with another port is 10048; all else that the proxy does is 10050."""
    assert [row.key for row in FAILURES if row.event == wsa.EADDRINUSE] == ["other-port"]
    assert [row.key for row in FAILURES if row.event == LOCAL] == ["out-of-resources"]


# What the system says


@pytest.mark.parametrize(
    ("number", "key", "underlying"),
    [
        (errno.ECONNREFUSED, "refused", "10061 WSAECONNREFUSED"),
        (errno.ETIMEDOUT, "dropped", "10060 WSAETIMEDOUT"),
        (errno.EHOSTUNREACH, "unreachable", "10065 WSAEHOSTUNREACH"),
        (errno.ENETUNREACH, "unreachable", "10051 WSAENETUNREACH"),
        (errno.ECONNRESET, "reset-at-once", "10054 WSAECONNRESET"),
        (errno.EACCES, "other", "10013 WSAEACCES"),
        (errno.ENETDOWN, "other", "10050 WSAENETDOWN"),
        (errno.EAFNOSUPPORT, "other", "10047 WSAEAFNOSUPPORT"),
    ],
)
def test_errors_of_connect(number: int, key: str, underlying: str) -> None:
    """An error on the way to the proxy is 10050, and its own code and name are in the detail."""
    seen = system_error(number)
    error = explain(seen, HERE, PATH)

    assert row_for(seen).key == key
    assert error.code == 10050
    assert error.detail.endswith(f"({underlying})")


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EMFILE, 10024), (errno.ENFILE, 10024), (errno.ENOBUFS, 10055)]
)
def test_out_of_resources_is_no_fault_of_the_proxy(number: int, code: int) -> None:
    """A machine that can open no socket says so with the code of its own."""
    error = explain(system_error(number), HERE, PATH)

    assert error.code == code
    assert os.strerror(number) in error.detail


def test_a_proxy_host_that_vanished() -> None:
    """Keepalive's ETIMEDOUT while a bind waits is 10060: the connection to the proxy died."""
    error = explain(system_error(errno.ETIMEDOUT, "accept"), HERE, PATH)

    assert (error.code, error.hop) == (10050, "accept")
    assert error.detail == "the connection to proxy:1080 has died (10060 WSAETIMEDOUT)"


@pytest.mark.parametrize(
    ("number", "code"),
    [(socket.EAI_NONAME, 11001), (socket.EAI_AGAIN, 11002), (socket.EAI_FAIL, 11003)],
)
def test_names_that_do_not_resolve(number: int, code: int) -> None:
    """The name service's answer is one of 11001 to 11004."""
    sign, own = sign_of(socket.gaierror(number, "no"))
    error = explain(symptom("resolve", sign, code=own), HERE, PATH)

    assert (error.code, error.hop) == (10050, "resolve")
    assert f"({code} WSA" in error.detail


# What PySocks says


@pytest.fixture
def sock() -> Iterator[BindSocket]:
    """A socket for SOCKS5 that has connected to nobody."""
    made = BindSocket(SocksProxy.from_url("socks5://proxy"), socket.AF_INET, "proxy:1080")
    yield made
    made.close()


@pytest.mark.parametrize(
    ("root", "hop", "sign", "code"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), "connect", Sign.OS_ERROR, 10061),
        (TimeoutError("timed out"), "connect", Sign.TIMEOUT, None),
        (ConnectionResetError(errno.ECONNRESET, "no"), "greeting", Sign.RESET, None),
        (BrokenPipeError(errno.EPIPE, "no"), "greeting", Sign.RESET, None),
        (socks.SOCKS5Error("0x07: Command not supported"), "request", Sign.REPLY, 7),
        (socks.SOCKS4Error("0x5b: Request rejected"), "request", Sign.REPLY, 0x5B),
        (socks.SOCKS5AuthError("all methods rejected"), "greeting", Sign.LOGIN_WANTED, None),
        (socks.GeneralProxyError("invalid data"), "greeting", Sign.INVALID, None),
    ],
)
def test_the_root_of_a_wrapped_error(
    sock: BindSocket, root: OSError, hop: str, sign: Sign, code: int | None
) -> None:
    """PySocks wraps everything that is raised while it negotiates; what counts is inside."""
    sock.hop = hop
    wrapped = socks.GeneralProxyError("Socket error", root)

    seen = sock.symptom(wrapped)

    assert (seen.sign, seen.code) == (sign, code)
    assert seen.hop == {Sign.REPLY: "bind", Sign.LOGIN_WANTED: "auth"}.get(sign, hop)


def test_process_wide_proxies_are_not_ours(sock: BindSocket) -> None:
    """What somebody sets as PySocks' default proxy doesn't reach a bind."""
    socks.set_default_proxy(socks.HTTP, "elsewhere", 8080)
    try:
        made = BindSocket(SocksProxy.from_url("socks5://proxy"), socket.AF_INET, "proxy:1080")
        with made:
            assert made.proxy[0] is None
    finally:
        socks.set_default_proxy()


# What is shown


def test_what_was_heard_is_shown_safely() -> None:
    """Bytes from the network are cut, and have no control characters."""
    text = shown(b"220 \x1b[31mred\r\n\xff" + b"x" * 1000)

    assert len(text) < 2 * SHOWN
    assert set(text) <= set(string.printable) - set("\x1b\r\n\t\x0b\x0c")
    assert text.endswith("...")
