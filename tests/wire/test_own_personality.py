"""A personality of one's own on the wire: whatever a client sends comes back in one reply."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.wire.conftest import Serve

ECHOING = """\
extends = "plain"
name = "echo"
product = "Echo"
build = "1"
helo_required = false

[reply]
helo = { code = 250, text = "{helo}" }
ehlo = { code = 250, text = "{helo}\\nsecond {helo}" }
mail_ok = { code = 250, text = "{address}" }
malformed_address = { code = 553, text = "{argument}" }
parameter_unknown = { code = 555, text = "{argument}" }
vrfy = { code = 252, text = "{argument}" }
auth_ok = { code = 235, text = "{mechanism}\\nsecond {mechanism}" }
auth_failed = { code = 535, text = "no\\nno again" }
"""

HOSTILE = [
    b"a\r250 forged",
    b"a\x00b",
    b"a\xc2\x85b",  # U+0085, a line break to some
    "a\u2028250 forged".encode(),
    b"{hostname}{0}{argument.__class__}%s",
    b"x" * 1500,
    b"\xff\xfe",
]


@pytest.mark.parametrize("engine", ["fast", "stock"])
@pytest.mark.parametrize("said", HOSTILE, ids=range(len(HOSTILE)))
async def test_nothing_that_is_sent_becomes_a_reply(
    serve: Serve, tmp_path: Path, engine: str, said: bytes
) -> None:
    """Each command has one reply, each line of it one code and no more than its 512 octets."""
    file = tmp_path / "echo.toml"
    file.write_text(ECHOING)
    bench = await serve(personality=str(file), engine=engine)
    peer = await bench.greeted()

    for command in (b"HELO %s", b"EHLO %s", b"VRFY %s", b"MAIL FROM:<%s>", b"MAIL FROM:<a@b> %s"):
        lines = (await peer.say(command % said)).split(b"\r\n")[:-1]
        assert {line[:3] for line in lines} == {lines[0][:3]}
        assert all(len(line) <= 510 and not {*b"\r\n\0"} & {*line} for line in lines)
        assert [line[3:4] for line in lines] == [b"-"] * (len(lines) - 1) + [b" "]

    assert (await peer.say("NOOP")) == b"250 2.0.0 OK\r\n"


@pytest.mark.parametrize("engine", ["fast", "stock"])
async def test_a_login_is_answered_in_as_many_lines_as_there_are(
    serve: Serve, tmp_path: Path, engine: str
) -> None:
    """What goes through aiosmtpd's own AUTH keeps its lines."""
    file = tmp_path / "echo.toml"
    file.write_text(ECHOING)
    bench = await serve(personality=str(file), engine=engine)
    peer = await bench.greeted()

    assert await peer.say("AUTH PLAIN AHVzZXIAcGFzcw==") == b"235-PLAIN\r\n235 second PLAIN\r\n"


WITHOUT_CHUNKS = """\
extends = "ims-5.5"
name = "eight"
product = "Eight"
build = "1"
extensions = ["8BITMIME"]
mail_parameters = ["BODY"]
"""


@pytest.mark.parametrize("engine", ["fast", "stock"])
async def test_what_can_only_come_in_chunks_needs_them(
    serve: Serve, tmp_path: Path, engine: str
) -> None:
    """Where there is no BDAT, a message that needs it is refused at MAIL (RFC 3030, 3)."""
    file = tmp_path / "eight.toml"
    file.write_text(WITHOUT_CHUNKS)
    bench = await serve(personality=str(file), engine=engine)
    peer = await bench.ehlo()

    assert (await peer.say("MAIL FROM:<a@b> BODY=BinaryMIME")).startswith(b"501 ")
    assert (await peer.say("MAIL FROM:<a@b> BODY=8BITMIME")).startswith(b"250 ")
    assert (await peer.say("RCPT TO:<c@d>")).startswith(b"250 ")
    assert (await peer.say("DATA")).startswith(b"354 ")
