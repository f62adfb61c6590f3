"""Proxies that are killed and started again under load, and listeners that go: no mail is lost."""

from __future__ import annotations

import signal
import smtplib
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bindpost.events import LISTENER_BOUND, PATH_LOST, PATH_RECOVERED, RELOADED
from bindpost.proxy.local import free_port
from bindpost.proxy.socks.dante import Dante
from bindpost.testing import PATIENCE, Load, Serve, Serving, check_kept, moment

ROUNDS = 3
SOON = 5.0
"""Longest pause between two attempts to bind again (docs/reliability.md)."""
TIME_WAIT = 60.7
"""Seconds that Linux keeps the port of a connection which was closed on its side first."""
SLACK = 3.0
"""Seconds that a busy machine may take to do what is due."""

Sshd = Any
"""The fixture of conftest.py."""


@dataclass
class Way:
    """A bind path with its proxy: the lines of its table or its URL, how it starts and dies."""

    via: str
    endpoint: str
    start: Callable[[], object] = lambda: None
    kill: Callable[[], object] = lambda: None
    table: str = ""
    load: dict[str, Any] = field(default_factory=dict)
    """How mail is sent through it."""

    def settings(self, *, direct: int = 0) -> str:
        """Give the settings with a listener through it, and `direct:` on a port."""
        text = f"[[listener]]\nendpoint = '{self.endpoint}'\nvia = '{self.via}'\n"
        if direct:
            text += f"[[listener]]\nendpoint = '127.0.0.1:{direct}'\n"
        return text + (f"[path.{self.via}]\n{self.table}" if self.table else "")


@pytest.fixture
def through_dante(dante: Dante) -> Way:
    """SOCKS5 BIND: one session at a time, so two senders take turns, with a mail each."""
    load = {"senders": 2, "each": 1}
    endpoint = f"0.0.0.0:{free_port()}"
    return Way(dante.url(), endpoint, start=dante.start, kill=dante.kill, load=load)


@pytest.fixture
def through_sshd(sshd: Sshd) -> Way:
    """Remote forwarding: senders at once, with mail after mail."""
    return Way(
        "bastion",
        f"127.0.0.1:{free_port()}",
        start=lambda: sshd.start("AllowTcpForwarding remote"),
        kill=sshd.kill,
        table=sshd.server.table,
        load={"each": 5},
    )


@pytest.fixture
def direct() -> Way:
    """No proxy."""
    return Way("direct:", f"127.0.0.1:{free_port()}")


class Live:
    """A session that a test keeps open in the middle of a transaction."""

    def __init__(self, port: int) -> None:
        self._smtp = smtplib.SMTP("127.0.0.1", port, timeout=30)
        self._smtp.ehlo("client.example")
        self._smtp.mail("live@example.test")

    def finish(self) -> dict[str, bytes]:
        """Send the message; gives it by its subject."""
        self._smtp.rcpt("to@example.test")
        raw = b"Subject: live\r\n\r\nhello\r\n"
        assert self._smtp.data(raw)[0] == 250
        self._smtp.quit()
        return {"live": raw}

    def hang_up(self) -> None:
        """Close as a client does whose server has gone."""
        self._smtp.close()


def connected(port: int) -> Live:
    """Get a session through a proxy that takes one at a time and refuses the others."""
    while True:
        with suppress(OSError):
            return Live(port)


def survive(
    serving: Serving, way: Way, load: Load, *, rounds: int, soon: float, held: bool
) -> None:
    """Kill the proxy under load and start it again, so many times; `held`: with a client on it."""
    for turn in range(1, rounds + 1):
        load.wait_for_more(20)
        client = connected(serving.smtp[1]) if held else None
        way.kill()
        if client is not None:
            client.hang_up()
        lost = serving.wait_for_event(PATH_LOST.id, turn)
        way.start()
        started = time.time()
        back = serving.wait_for_event(PATH_RECOVERED.id, turn, patience=soon + PATIENCE)

        assert moment(back) - started <= soon + SLACK
        assert lost["Data"][-1] == "10050"
        assert (lost["Provider_Name"], back["Provider_Name"]) == ("bindpost", "bindpost")
    load.wait_for_more(20)


def check_survival(
    serve: Serve,
    way: Way,
    folder: Path,
    *,
    rounds: int = ROUNDS,
    soon: float = SOON,
    held: bool = False,
    **load: Any,
) -> set[str]:
    """
    Serve through a proxy that is killed under load, beside a session that doesn't need it.

    Gives the numbers of the events 4007.
    """
    direct = free_port()
    (folder / "bindpost.toml").write_text(way.settings(direct=direct))
    serving = serve(listen="").wait_ready()
    live = Live(direct)
    senders = Load(serving.smtp, again=True, **way.load, **load)
    try:
        survive(serving, way, senders, rounds=rounds, soon=soon, held=held)
    finally:
        senders.stop()

    check_kept(senders.acknowledged | live.finish(), serving.client)
    assert serving.stop() == 0
    failures = [record for record in serving.records if record.get("EventID") == 4007]
    assert {record["Provider_Name"] for record in failures} == {"MSExchangeIMC"}
    assert {record["bindpost"]["listener"] for record in failures} == {way.endpoint}
    return {record["Data"][0] for record in failures}


def test_sshd_killed_under_load(serve: Serve, through_sshd: Way, tmp_path: Path) -> None:
    """sshd and its logins are killed and come back: nothing acknowledged is lost, or kept twice."""
    through_sshd.start()

    assert check_survival(serve, through_sshd, tmp_path) == {"10050"}


def test_dante_killed_under_load(serve: Serve, through_dante: Way, tmp_path: Path) -> None:
    """The same with Dante, when the clients of the sessions that are cut reset them."""
    through_dante.start()

    assert "10050" in check_survival(serve, through_dante, tmp_path, reset=True)


@pytest.mark.long
@pytest.mark.timeout(110)
def test_dante_killed_while_clients_are_polite(
    serve: Serve, through_dante: Way, tmp_path: Path
) -> None:
    """A client that closes as usual leaves a TIME_WAIT to Dante: the port is dead for a minute."""
    through_dante.start()
    soon = TIME_WAIT + SOON

    codes = check_survival(serve, through_dante, tmp_path, rounds=1, soon=soon, held=True)

    assert codes == {"10050", "10048"}


def reload(serving: Serving, file: Path, text: str, count: int) -> None:
    """Change the settings; returns when they are in force, for the `count`th time."""
    file.write_text(text)
    serving.process.send_signal(signal.SIGHUP)
    serving.wait_for_event(RELOADED.id, count)


def wait_until_refused(port: int) -> None:
    """Return when nobody listens on a port any more; a proxy hears later that its owner let go."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        except ConnectionRefusedError:
            return
        except OSError:
            continue
    raise AssertionError(port)


@pytest.mark.parametrize("name", ["direct", "through_dante", "through_sshd"])
def test_a_live_session_outlives_its_listener(
    serve: Serve, tmp_path: Path, request: pytest.FixtureRequest, name: str
) -> None:
    """A listener that stays, then goes, by a reload cuts no session; what is sent is kept."""
    way: Way = request.getfixturevalue(name)
    way.start()
    file = tmp_path / "bindpost.toml"
    file.write_text(way.settings())
    serving = serve(listen="").wait_ready()
    live = Live(serving.smtp[1])

    other = free_port()
    reload(serving, file, way.settings(direct=other), 1)
    reload(serving, file, Way("direct:", f"127.0.0.1:{other}").settings(), 2)
    wait_until_refused(serving.smtp[1])

    check_kept(live.finish(), serving.client)
    assert serving.stop() == 0
    bound = [record for record in serving.records if record.get("EventID") == LISTENER_BOUND.id]
    assert len(bound) == 2
