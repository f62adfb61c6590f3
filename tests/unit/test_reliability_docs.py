"""docs/reliability.md: its figures are those of the code and of the pages that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bindpost.proxy.socks.timing import Timing as SocksTiming
from bindpost.proxy.ssh.settings import Timing as SshTiming
from bindpost.proxy.winsock.channel import Timing as WinsockTiming
from bindpost.server.store.postgres_connection import Server

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def page() -> str:
    """Give the page's text."""
    return (DOCS / "reliability.md").read_text(encoding="utf-8")


def test_how_soon_a_machine_is_missed(page: str) -> None:
    """The defaults, and what the example says of its own."""
    idle, interval, count = SocksTiming().keepalive
    ssh = SshTiming()
    unanswered = ssh.keepalive_count + 1

    assert f"twice `keepalive` [T], {idle + interval * count} s by default" in page
    assert unanswered == 4
    assert f"four times `keepalive` [T], {ssh.keepalive * unanswered:.0f} s by default" in page
    examples = re.findall(r"keepalive = (\d+) +# missed after (\d+) s; .* is (\d+)", page)
    assert [tuple(map(int, example)) for example in examples] == [
        (20, 40, SocksTiming().keepalive[0]),
        (5, 20, int(ssh.keepalive)),
    ]
    assert f"every `keepalive` seconds, {WinsockTiming().keep_alive:.0f} by default" in page


@pytest.mark.parametrize("timing", [SocksTiming(), SshTiming()])
def test_how_soon_it_is_bound_again(page: str, timing: SocksTiming | SshTiming) -> None:
    """Both paths have the pauses that the page tells, and one attempt's time."""
    first, last = timing.pauses[0] * 1000, timing.pauses[-1]
    attempt = timing.step if isinstance(timing, SocksTiming) else timing.connect

    assert f"comes {first:.0f} ms after the loss; the pauses grow to {last:.0f} s" in page
    assert f"One attempt to connect takes {attempt:.0f} s at most" in page
    assert f"within {last:.0f} s of a proxy that is up again" in page
    assert f"within {attempt + last:.0f} s of a network" in page


def test_when_postgresql_is_away(page: str) -> None:
    """How long a machine that vanished is waited for, and a server that says nothing."""
    server = Server("postgresql://db.example/mail")

    assert f"after {2 * server.patience:.0f} s [L] | within" in page
    assert f"after {server.silence:.0f} to 40 s [L]" in page
    assert server.silence + 2 * server.patience <= 40


def test_what_the_other_pages_say(page: str) -> None:
    """How long their danted.conf and sshd_config hold a port."""
    dante = re.search(r"tcp_keepidle: (\d+)", (DOCS / "socks.md").read_text(encoding="utf-8"))
    text = (DOCS / "ssh.md").read_text(encoding="utf-8")
    interval = re.search(r"^ClientAliveInterval (\d+)$", text, re.MULTILINE)
    count = re.search(r"^ClientAliveCountMax (\d+)$", text, re.MULTILINE)
    assert interval is not None
    assert count is not None
    assert dante is not None

    assert f"of these pages within {dante[1]} s" in page
    assert f"within {int(interval[1]) * int(count[1])} s with the [sshd_config]" in page
    assert f"gives up {SshTiming().held:.0f} s after" in page
