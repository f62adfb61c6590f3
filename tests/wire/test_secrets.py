"""A password is found nowhere afterwards: not in the transcript, the protocol log, or any log."""

from __future__ import annotations

import logging
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bindpost import events
from bindpost.config.model import Auth, Ims, ProtocolLog
from bindpost.server.smtp.reader import AUTH_LIMIT

if TYPE_CHECKING:
    from tests.wire.conftest import Serve

USER = "margarete"
PASSWORD = "Zauberlehrling-1797"
WRONG = "Walle-walle-1797"


def _b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _plain(password: str) -> str:
    return _b64(f"\0{USER}\0{password}")


LOGINS = {
    "PLAIN with initial response": [f"AUTH PLAIN {_plain(PASSWORD)}"],
    "PLAIN without": ["AUTH PLAIN", _plain(PASSWORD)],
    "LOGIN": ["AUTH LOGIN", _b64(USER), _b64(PASSWORD)],
    "LOGIN with initial response": [f"AUTH LOGIN {_b64(USER)}", _b64(PASSWORD)],
    "small letters": [f"auth plain {_plain(PASSWORD)}"],
    "blanks": [f"AUTH   PLAIN   {_plain(PASSWORD)}"],
    "tabs": [f"AUTH PLAIN\t{_plain(PASSWORD)}"],
    "tab after the verb": [f"AUTH\tPLAIN {_plain(PASSWORD)}"],
    "no-break space": [f"AUTH PLAIN\N{NO-BREAK SPACE}{_plain(PASSWORD)}"],
    "no-break space after the verb": [f"AUTH\N{NO-BREAK SPACE}PLAIN {_plain(PASSWORD)}"],
    "control character": [f"AUTH PLAIN\x1c{_plain(PASSWORD)}"],
    "no blank": [f"AUTH PLAIN={_plain(PASSWORD)}"],
    "CR": [f"AUTH PLAIN\r{_plain(PASSWORD)}"],
    "blank before the verb": [f" AUTH PLAIN {_plain(PASSWORD)}"],
    "three words": [f"AUTH PLAIN {_plain(PASSWORD)} more"],
    "password as a third word": [f"AUTH LOGIN {_b64(USER)} {_b64(PASSWORD)}"],
    "wrong password": [f"AUTH PLAIN {_plain(WRONG)}"],
    "wrong password for LOGIN": ["AUTH LOGIN", _b64(USER), _b64(WRONG)],
    "twice": [f"AUTH PLAIN {_plain(PASSWORD)}", f"AUTH PLAIN {_plain(PASSWORD)}"],
    "not base64": ["AUTH PLAIN", PASSWORD],
    "not base64, with the command": [f"AUTH PLAIN {PASSWORD}"],
    "not base64 for LOGIN": ["AUTH LOGIN", USER, PASSWORD],
    "no NULs": ["AUTH PLAIN", _b64(PASSWORD)],
    "unknown mechanism": [f"AUTH X-FOO {_plain(PASSWORD)}"],
    "XAUTH": [f"XAUTH PLAIN {_plain(PASSWORD)}"],
    "XAUTH LOGIN": ["XAUTH LOGIN", _b64(USER), _b64(PASSWORD)],
    "XAUTH LOGIN in one line": [f"xauth login {_b64(USER)} {_b64(PASSWORD)}"],
    "endless response": ["AUTH PLAIN", _plain(PASSWORD) + "=" * 5000],
    "secret at an endless response's end": ["AUTH PLAIN", "=" * 5000 + _plain(PASSWORD)],
    "endless initial response": ["AUTH PLAIN " + "A" * 5000 + _plain(PASSWORD)],
    "aborted": ["AUTH LOGIN", _b64(USER), "*"],
}


@pytest.mark.parametrize("personality", ["plain", "ims-5.5", "ims-5.0", "imc-4.0"])
@pytest.mark.parametrize("name", LOGINS)
async def test_no_secret_is_left(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture, personality: str, name: str
) -> None:
    """Whatever a login looks like, and whether it works, its password is not written down."""
    # aiosmtpd logs commands at INFO and responses at DEBUG; neither is ever switched on.
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "mail.log")
    (tmp_path / "users").write_text(f"{USER}:{PASSWORD}\n")
    bench = await serve(
        folder=tmp_path,
        personality=personality,
        auth=Auth(users="users"),
        protocol_log=ProtocolLog(directory="log", level="Maximum"),
    )
    peer = await bench.ehlo() if personality != "imc-4.0" else await bench.greeted()
    for line in LOGINS[name]:
        reply = await peer.say(line)
        if not reply.startswith(b"334"):
            break
    for command in ("RSET", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "x\r\n.", "QUIT"):
        reply = await peer.say(command)
    assert reply.startswith(b"221")
    await bench.sessions.wait_for(0)
    (row,) = await bench.rows()

    await bench.close_logs()

    written = {
        "transcript": repr(await bench.transcript(row)),
        "row": repr(row),
        "events": repr(bench.events.seen),
        "log": "\n".join(record.getMessage() for record in caplog.records),
        **{file.name: file.read_text("latin-1") for file in (tmp_path / "log").iterdir()},
    }
    assert len(written["L0000000.LOG"]) > 100
    for secret in (PASSWORD, WRONG):
        for form in (
            secret,
            _b64(secret),
            _plain(secret),
            _plain(secret)[-16:],
            _b64(secret)[4:20],
        ):
            assert [place for place, text in written.items() if form in text] == []


@pytest.mark.parametrize("tail", [1, 20, 100])
async def test_the_tail_of_an_overlong_line_is_not_shown(serve: Serve, tail: int) -> None:
    """Of a line that comes in pieces, and is too long, no piece gets into the transcript."""
    bench = await serve(personality="plain")
    wire = bench.wire()
    line = b"AUTH PLAIN " + b"A" * 3 * AUTH_LIMIT + _plain(PASSWORD).encode()

    await wire.feed(b"EHLO c\r\n" + line[:-tail])
    await wire.feed(
        line[-tail:] + b"\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
    )
    await wire.wait_for_close()

    (row,) = await bench.rows()
    said = [text for speaker, text in await bench.transcript(row) if speaker == "C"]
    assert said[:3] == ["EHLO c", "(a line that is too long)", "MAIL FROM:<a@b>"]


async def test_a_failed_login_is_reported_with_its_name(serve: Serve, tmp_path: Path) -> None:
    """Event 4183 tells mechanism, host and user (KB Q235627), and the client gets 535."""
    (tmp_path / "users").write_text(f"{USER}:{PASSWORD}\n")
    bench = await serve(folder=tmp_path, auth=Auth(users="users"))
    peer = await bench.ehlo()

    assert (await peer.say(f"AUTH LOGIN {_b64(USER)}")).startswith(b"334")
    assert (await peer.say(_b64(WRONG))).startswith(b"535")

    (event,) = bench.events.of(events.AUTH_FAILED)
    assert (event["mechanism"], event["host"], event["user"]) == ("LOGIN", "127.0.0.1", USER)
    assert (await peer.say("AUTH LOGIN " + _b64(USER))).startswith(b"334")
    assert (await peer.say(_b64(PASSWORD))).startswith(b"235")


@pytest.mark.parametrize("name", [b"\xff\xfe", "Ä\u2028B".encode(), b"x" * 1000, b"", b"a\r\nb"])
async def test_any_name_may_fail(serve: Serve, tmp_path: Path, name: bytes) -> None:
    """A name that is no text, or a strange one, is refused like any other."""
    (tmp_path / "users").write_text(f"{USER}:{PASSWORD}\n")
    bench = await serve(folder=tmp_path, personality="plain", auth=Auth(users="users"))
    peer = await bench.ehlo()

    response = b64encode(b"\0" + name + b"\0x")

    assert (await peer.say(b"AUTH PLAIN " + response)).startswith(b"535 5.7.8")
    assert (await peer.say("NOOP")).startswith(b"250")


@pytest.mark.parametrize("engine", ["fast", "stock"])
async def test_no_library_warns_of_a_secret_either(
    serve: Serve, caplog: pytest.LogCaptureFixture, engine: str
) -> None:
    """aiosmtpd tells of commands that it doesn't know, in capitals, unless it is silenced."""
    caplog.set_level(logging.WARNING, "mail.log")
    bench = await serve(engine=engine, ims=Ims(disable_auth=True))
    peer = await bench.ehlo()

    peer.send(f"AUTH LOGIN\r\n{_b64(USER)}\r\n{PASSWORD}\r\nQUIT\r\n".encode())

    assert (await peer.rest()).count(b"500 ") == 3
    warned = "\n".join(record.getMessage() for record in caplog.records)
    assert PASSWORD.upper() not in warned
    assert _b64(USER).upper() not in warned
