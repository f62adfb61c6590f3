"""A real exim sends by BDAT, and what is kept is what it was given."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bindpost.testing.chosen import chosen_settings
from bindpost.testing.inprocess import in_process
from bindpost.testing.mailserver import MailServer

from .mtas.exim import exim

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="exim delivers for root only")

HEADER = (
    b"From: a@origin.test\nTo: b@target.test\nSubject: chunks\nMessage-ID: <1@origin.test>\n"
    b"Date: Fri, 27 Nov 2026 03:27:08 +0000\n\n"
)
BODIES = {
    "dots": b".\n..\n.x\nQUIT\n\n.\n",
    "8-bit": "Grüße\n".encode() + bytes(range(128, 256)) + b"\n",
    "long-line": b"x" * 5000 + b"\n.\n",
    "large": (b"y" * 997 + b"\n") * 700 + b".\n",
    "empty": b"",
}

Send = Callable[[bytes, str], None]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    """Give the server that exim delivers to."""
    with in_process(chosen_settings(), folder=tmp_path) as server:
        yield server


@pytest.fixture
def send(server: MailServer, program: Callable[[str], Path]) -> Send:
    """Give what has exim deliver a message, by BDAT to these hosts; it ends when it has."""

    def deliver(message: bytes, chunking: str) -> None:
        main = ["received_header_text ="]
        transport = ["message_linelength_limit = 10000", f"hosts_try_chunking = {chunking}"]
        with exim(program, server.host, server.port, main=main, transport=transport) as mta:
            mta.submit(message, "b@target.test")
            assert mta.outcomes() == ["delivered"]

    return deliver


@pytest.mark.parametrize("name", BODIES)
def test_exim_sends_by_bdat(server: MailServer, send: Send, name: str) -> None:
    """Header and body come in chunks, and are kept byte for byte."""
    message = HEADER + BODIES[name]

    send(message, "*")

    (kept,) = server.messages
    assert kept.raw == message.replace(b"\n", b"\r\n")
    said = [line.text for line in kept.transcript if line.speaker == "C"]
    chunks = [line for line in said if line.startswith("BDAT ")]
    assert chunks[-1].endswith(" LAST")
    assert len(chunks) > 1 or name != "large"
    assert "DATA" not in said


def test_exim_sends_the_same_by_data(server: MailServer, send: Send) -> None:
    """Without BDAT it is the same message."""
    message = HEADER + BODIES["dots"]

    send(message, "!*")

    (kept,) = server.messages
    assert kept.raw == message.replace(b"\n", b"\r\n")
    assert "DATA" in [line.text for line in kept.transcript]
