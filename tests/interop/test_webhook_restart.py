"""Webhooks of a `bindpost serve` that is killed: what waited is told by the next one."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bindpost.proxy.local import free_port
from bindpost.testing import Serve
from bindpost.testing.serving import PATIENCE

from .receiver import Receiver


@pytest.fixture
def port() -> int:
    """A port on which nothing listens yet."""
    return free_port()


@pytest.fixture
def receiver(port: int) -> Iterator[Receiver]:
    """A receiver that is not started yet."""
    receiver = Receiver(port)
    yield receiver
    receiver.stop()


def test_what_waits_outlives_a_kill(
    serve: Serve, receiver: Receiver, port: int, tmp_path: Path
) -> None:
    """A delivery that failed is in the queue when the process is killed, and its id stays."""
    settings = tmp_path / "bindpost.toml"
    settings.write_text(
        f'[[webhook]]\nname = "ci"\nurl = "http://127.0.0.1:{port}/"\nfirst_pause = 3600\n'
    )
    first = serve("--config", str(settings)).wait_ready()
    with smtplib.SMTP(*first.smtp) as smtp:
        smtp.sendmail("a@example.com", ["b@example.com"], b"Subject: kept\r\n\r\n")
    delayed = first.wait_for_event(177)
    first.process.kill()
    first.process.wait(PATIENCE)
    receiver.start()

    second = serve("--config", str(settings)).wait_ready()
    delivery, told = receiver.taken.get(timeout=PATIENCE)

    assert second.wait_for_event(175)["bindpost"]["waiting"] == 1
    assert delivery == delayed["bindpost"]["delivery"]
    assert told["type"] == "message.received"
    assert told["data"]["fields"]["subject"] == "kept"
    assert second.wait_for_event(176)["bindpost"]["attempt"] == 2
    assert second.stop() == 0
