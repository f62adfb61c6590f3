"""Every row of the ssh matrix, met for real: what event 4007 says, where a diagnosis ends."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy import wsa
from bindpost.proxy.ssh.matrix import ROWS
from bindpost.proxy.ssh.provider import SshProvider
from bindpost.proxy.ssh.standin import Answer

from ..fixtures import quiet_home as quiet_home
from .ssh_troubles import (
    HERE,
    Case,
    Place,
    another_key_known,
    bind,
    black_hole,
    empty_password_file,
    key_file,
    known_hosts,
    known_hosts_gone,
    named,
    no_key,
    no_known_hosts,
    nobody,
    outdated,
    speaks,
    standing_in,
    stranger_s_key,
    taken,
)


class Scenario(NamedTuple):
    """
    A row's key, how it is met, and where.

    `cause` is the error underneath where it isn't the row's. `says` is in the reason.
    """

    key: str
    how: str
    place: Place
    cause: int = 0
    says: str = ""


GREETING = b"SSH-2.0-OpenSSH_9.2p1\r\n"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\n\r\n"
DROPBEAR = "dropbear_2022.83"
FORBIDDEN = HERE.with_port(25)
SCENARIOS = [
    Scenario("unresolvable", "no name", named("x" * 64 + ".invalid")),
    Scenario("refused", "nothing listens", nobody),
    Scenario("unreachable", "packets are dropped", black_hole, says="no answer"),
    Scenario("closed-early", "hangs up", speaks(b"", hangs_up=True)),
    Scenario(
        "closed-early",
        "MaxStartups",
        speaks(b"Exceeded MaxStartups\r\n", hangs_up=True),
        says="'Exceeded MaxStartups'",
    ),
    Scenario("silent", "says nothing", speaks(b"")),
    Scenario(
        "not-ssh",
        "a mail server",
        speaks(b"220 mx.example ESMTP\r\n"),
        says="'220 mx.example ESMTP'",
    ),
    Scenario(
        "not-ssh",
        "a web server",
        speaks(BAD_REQUEST, hangs_up=True),
        10054,
        "'HTTP/1.1 400 Bad Request'",
    ),
    Scenario("no-common-algorithm", "SSH 1", speaks(b"SSH-1.5-old\r\n"), says="'SSH-1.5-old'"),
    Scenario("no-common-algorithm", "an outdated server", outdated),
    Scenario("known-hosts", "no such file", standing_in(known_hosts_gone), 10049, "No such file"),
    Scenario(
        "known-hosts",
        "no such lines",
        standing_in(known_hosts("nonsense")),
        says="Invalid known hosts entry",
    ),
    Scenario("credentials", "no key file", standing_in(key_file(None)), 10049, "No such file"),
    Scenario("credentials", "no key in it", standing_in(key_file("nonsense"))),
    Scenario(
        "credentials", "a passphrase", standing_in(stranger_s_key("secret")), says="assphrase"
    ),
    Scenario(
        "credentials",
        "no password in it",
        standing_in(empty_password_file),
        says="its first line is empty",
    ),
    Scenario(
        "host-key-unknown",
        "no line",
        standing_in(known_hosts("")),
        says="it shows ssh-ed25519 SHA256:",
    ),
    Scenario("host-key-unknown", "no file", standing_in(no_known_hosts)),
    Scenario(
        "host-key-changed",
        "the same kind",
        standing_in(another_key_known("ssh-ed25519")),
        says="it shows ssh-ed25519 SHA256:",
    ),
    Scenario("host-key-changed", "RSA known", standing_in(another_key_known("ssh-rsa"))),
    Scenario(
        "host-key-changed", "ECDSA known", standing_in(another_key_known("ecdsa-sha2-nistp256"))
    ),
    Scenario(
        "host-key-revoked",
        "known and revoked",
        standing_in(known_hosts("{line}\n@revoked * {key}")),
    ),
    Scenario("denied", "a wrong key", standing_in(stranger_s_key())),
    Scenario("denied", "no key", standing_in(no_key)),
    Scenario("login-slow", "greets and waits", speaks(GREETING)),
    Scenario("lost-in-login", "greets and hangs up", speaks(GREETING, hangs_up=True)),
    Scenario("not-tcp", "a Unix socket", standing_in(endpoint=Endpoint(path="/run/mail"))),
    Scenario("forwarding-disabled", "AllowTcpForwarding no", standing_in(answer=Answer.DISABLED)),
    Scenario("permit-listen", "PermitListen", standing_in(answer=Answer.NOT_PERMITTED)),
    Scenario(
        "refused-unexplained",
        "Dropbear",
        standing_in(answer=Answer.IN_USE, version=DROPBEAR),
        says="dropbear",
    ),
    Scenario("no-answer", "silence", standing_in(answer=Answer.SILENT, request=0.2)),
    Scenario("lost-in-request", "hangs up at it", standing_in(answer=Answer.HANG_UP)),
    Scenario("in-use", "a taken port", taken),
    Scenario(
        "in-use-or-privileged", "port 25", standing_in(answer=Answer.IN_USE, endpoint=FORBIDDEN)
    ),
    Scenario("not-local", "port 0 is never in use", standing_in(answer=Answer.IN_USE)),
]


def each(scenarios: list[Scenario]) -> pytest.MarkDecorator:
    """Give a test each scenario."""
    names = [f"{scenario.key}, {scenario.how}" for scenario in scenarios]
    return pytest.mark.parametrize("scenario", scenarios, ids=names)


def facts_of(key: str, case: Case) -> dict[str, object]:
    """Give what the sentences of a row name."""
    settings = case.settings
    credentials = settings.key or settings.password_file
    return {
        "host": settings.host,
        "server": settings.server,
        "login": settings.login,
        "endpoint": case.endpoint,
        "port": case.endpoint.port,
        "file": credentials if key == "credentials" else settings.known_hosts,
        "other": "",
    }


@each(SCENARIOS)
async def test_row(tmp_path: Path, scenario: Scenario) -> None:
    """`create_server` fails with its row's error, word by word, and leaves nothing behind."""
    async with scenario.place(tmp_path) as case:
        error = await bind(case.settings, case.endpoint)

    row, facts = ROWS[scenario.key], facts_of(scenario.key, case)
    cause = scenario.cause or row.cause
    assert (error.code, error.hop) == (row.code, row.hop)
    assert (error.endpoint, error.path) == (str(case.endpoint), case.settings.url)
    assert error.detail.startswith(row.situation.format(**facts))
    assert error.detail.endswith(f"({wsa.name_of(cause)}, {cause})")
    assert scenario.says in error.detail
    assert error.hint == row.hint.format(**facts)


IN_ORDER = ("resolve", "connect", "greeting", "auth", "request", "bind")
FORESEEN = [
    scenario
    for scenario in SCENARIOS
    if ROWS[scenario.key].hop in IN_ORDER[:4] or scenario.key in {"not-tcp", "in-use"}
]


@each(FORESEEN)
async def test_diagnosis_agrees(tmp_path: Path, scenario: Scenario) -> None:
    """What doesn't need a bind to be seen is told by `diagnose` too; what is after it is open."""
    async with scenario.place(tmp_path) as case:
        hops = await SshProvider(case.settings).diagnose(case.endpoint)

    row = ROWS[scenario.key]
    number = [hop.ok for hop in hops].index(False)
    failed = hops[number]
    assert all(hop.ok for hop in hops[:number])
    assert all(hop.ok is None for hop in hops[number + 1 :])
    assert [hop.name for hop in hops] == sorted((h.name for h in hops), key=IN_ORDER.index)
    assert (failed.name, failed.code) == (row.hop, row.code)
    assert failed.hint == row.hint.format(**facts_of(scenario.key, case))
    assert all(hop.milliseconds >= 0 for hop in hops)
