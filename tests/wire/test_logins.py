"""Logins by each mechanism of AUTH: accepted whatever they are, or checked; on either engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bindpost import events
from bindpost.config.fault import Fault
from bindpost.config.model import Auth, Ims, ProtocolLog
from bindpost.server.smtp.reader import AUTH_LIMIT
from bindpost.server.smtp.sasl import MECHANISMS

from .logging_in import LOGINS, b64, challenge_of, oauthbearer, xoauth2

if TYPE_CHECKING:
    from tests.wire.conftest import Bench, Peer, Serve

USER = "margarete"
PASSWORD = "Zauberlehrling-1797"
WRONG = "Walle-walle-1797"
ENGINES = pytest.mark.parametrize("engine", ["fast", "stock"])
NAMES = pytest.mark.parametrize("mechanism", LOGINS)
OPEN = [name for name in LOGINS if name != "SCRAM-SHA-256"]


@pytest.fixture
def users(tmp_path: Path) -> dict[str, Any]:
    """Give the settings of a server with one user."""
    (tmp_path / "users").write_text(f"{USER}:{PASSWORD}\n")
    return {"folder": tmp_path, "personality": "plain", "auth": Auth(users="users")}


async def _offered(peer: Peer) -> list[str]:
    lines = (await peer.say("EHLO c")).decode().splitlines()
    return next((line[4:].split()[1:] for line in lines if line[4:].startswith("AUTH ")), [])


async def _send(peer: Peer) -> None:
    for command in ("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "x\r\n.", "QUIT"):
        assert (await peer.say(command))[:1] in b"23"


async def _said(bench: Bench) -> list[str]:
    """Give what the client has said, as it is kept."""
    (row,) = await bench.rows()
    return [text for speaker, text in await bench.transcript(row) if speaker == "C"]


@ENGINES
@pytest.mark.parametrize("mechanism", OPEN)
async def test_any_login_is_good_without_users(serve: Serve, engine: str, mechanism: str) -> None:
    """The name is kept with the mail."""
    bench = await serve(personality="plain", engine=engine)
    peer = await bench.ehlo()

    assert await LOGINS[mechanism](peer, "anybody", "anything") == (
        b"235 2.7.0 Authentication successful\r\n"
    )
    assert (await peer.say(f"AUTH {mechanism}")).startswith(b"503 5.5.1")
    await _send(peer)

    (row,) = await bench.rows()
    assert row.session.login == "anybody"
    assert bench.events.of(events.AUTH_FAILED) == []


@ENGINES
@NAMES
async def test_a_user_logs_in(
    serve: Serve, users: dict[str, Any], engine: str, mechanism: str
) -> None:
    """With the right password; a wrong one and an unknown name before it harm nothing."""
    bench = await serve(**users, engine=engine)
    peer = await bench.ehlo()

    refused = b"535 5.7.8 Authentication credentials invalid\r\n"
    assert await LOGINS[mechanism](peer, USER, WRONG) == refused
    assert await LOGINS[mechanism](peer, "mephisto", PASSWORD) == refused
    assert (await LOGINS[mechanism](peer, USER.title(), PASSWORD)).startswith(b"235 2.7.0")
    await _send(peer)

    (row,) = await bench.rows()
    assert row.session.login == USER.title()
    told = [(one["mechanism"], one["user"]) for one in bench.events.of(events.AUTH_FAILED)]
    assert told == [(mechanism, USER), (mechanism, "mephisto")]


@ENGINES
@NAMES
@pytest.mark.parametrize("password", [PASSWORD, WRONG])
async def test_no_response_is_left(
    serve: Serve, users: dict[str, Any], engine: str, mechanism: str, password: str
) -> None:
    """All that a client says for its login is stars, in the transcript and in the protocol log."""
    log = ProtocolLog(directory="log", level="Maximum")
    bench = await serve(**users, engine=engine, protocol_log=log)
    peer = await bench.ehlo()

    await LOGINS[mechanism](peer, USER, password)
    await _send(peer)
    await bench.sessions.wait_for(0)
    await bench.close_logs()

    begin, *rest = (await _said(bench))[1:]
    responses = rest[: rest.index("MAIL FROM:<a@b>")]
    assert begin in (f"AUTH {mechanism}", f"AUTH {mechanism} ********")
    assert responses == ["********"] * len(responses)
    (file,) = (users["folder"] / "log").iterdir()
    logged = [line.partition(" : <<< ")[2] for line in file.read_text().splitlines()]
    commands = [line for line in logged if line and not line.startswith("IO: ")]
    assert commands[1 : 2 + len(responses)] == [begin, *responses]


PIPELINED = {
    "a token": ["AUTH XOAUTH2", xoauth2(USER, PASSWORD)],
    "a wrong token": ["AUTH OAUTHBEARER " + oauthbearer(USER, WRONG), "AQ=="],
    "a login": ["AUTH LOGIN", b64(USER), b64(PASSWORD)],
    "a digest": ["AUTH CRAM-MD5", b64(f"{USER} {'0' * 32}")],
    "a mechanism that isn't there": ["AUTH GSSAPI", b64(PASSWORD), b64(PASSWORD * 3)],
    "an initial response too many": [f"AUTH CRAM-MD5 {b64(PASSWORD)}", b64(PASSWORD)],
    "no Base64 first": ["AUTH LOGIN", PASSWORD, b64(PASSWORD)],
    "no user": [f"AUTH PLAIN {b64(PASSWORD)}", b64(PASSWORD)],
    "an AUTH that is too long": [f"AUTH PLAIN {'A' * 3 * AUTH_LIMIT}", b64(PASSWORD)],
    "messages of SCRAM": ["AUTH SCRAM-SHA-256", b64(f"n,,n={USER},r=x"), b64(PASSWORD), ""],
}


@ENGINES
@pytest.mark.parametrize("name", PIPELINED)
@pytest.mark.parametrize("personality", ["plain", "ims-5.5", "imc-4.0"])
async def test_no_pipelined_response_is_left(
    serve: Serve, users: dict[str, Any], engine: str, name: str, personality: str
) -> None:
    """What comes in one piece is hidden too, and so is a response to an AUTH that was refused."""
    log = ProtocolLog(directory="log", level="Maximum")
    settings = users | {"personality": personality, "protocol_log": log}
    bench = await serve(**settings, engine=engine)
    wire = bench.wire()
    greeting = "HELO c" if personality == "imc-4.0" else "EHLO c"
    lines = [greeting, *PIPELINED[name], "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "x\r\n."]

    await wire.feed("".join(line + "\r\n" for line in [*lines, "QUIT"]).encode())
    await wire.wait_for_close()
    await bench.sessions.wait_for(0)
    await bench.close_logs()

    said = await _said(bench)
    (file,) = (users["folder"] / "log").iterdir()
    logged = file.read_text().splitlines()
    words = " ".join(PIPELINED[name]).split()
    secrets = [word for word in words if word not in MECHANISMS | {"AUTH", "GSSAPI"}]
    assert [line for line in said + logged for secret in secrets if secret in line] == []
    assert said[1].startswith(("AUTH ", "(a line that is too long)"))
    assert "DATA" in said


@ENGINES
async def test_a_word_after_a_login_is_shown(
    serve: Serve, users: dict[str, Any], engine: str
) -> None:
    """Who has logged in owes no response; a word that is no command is a mistake to be seen."""
    bench = await serve(**users, engine=engine)
    peer = await bench.ehlo()
    await LOGINS["PLAIN"](peer, USER, WRONG)
    await peer.say("hidden")
    await LOGINS["PLAIN"](peer, USER, PASSWORD)
    await peer.say("shown")
    await _send(peer)

    said = await _said(bench)
    assert said[1:5] == ["AUTH PLAIN ********", "********", "AUTH PLAIN ********", "shown"]


async def test_what_is_offered(serve: Serve, users: dict[str, Any]) -> None:
    """SCRAM needs users, EXTERNAL a certificate; IMS has what it always had."""
    free = await serve(personality="plain")
    checked = await serve(**users)
    silent = await serve(**users, ims=Ims(disable_auth=True))
    old = await serve(**{**users, "personality": "ims-5.5"})

    usual = ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"]
    assert await _offered(await free.greeted()) == usual
    assert set(await _offered(await checked.greeted())) == {*usual, "SCRAM-SHA-256"}
    assert await _offered(await silent.greeted()) == []
    assert await _offered(await old.greeted()) == ["LOGIN"]
    peer = await old.ehlo()
    for mechanism in (*usual[2:], "SCRAM-SHA-256", "EXTERNAL", "PLAIN"):
        assert (await peer.say(f"AUTH {mechanism}")).startswith(b"504")


@ENGINES
async def test_what_is_not_offered_is_not_there(serve: Serve, engine: str) -> None:
    """Without users there is no SCRAM, without certificates of clients no EXTERNAL."""
    bench = await serve(personality="plain", engine=engine)
    peer = await bench.ehlo()

    for mechanism in ("SCRAM-SHA-256", "EXTERNAL", "SCRAM-SHA-256-PLUS"):
        assert (await peer.say(f"AUTH {mechanism} =")).startswith(b"504 5.5.4")


@ENGINES
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER", "CRAM-MD5"])
@pytest.mark.parametrize(
    ("response", "code"),
    [("*", b"501 5.7.0"), ("not base64", b"501 5.5.2"), ("", b"501 5.5.2"), ("AAAA", b"501 5.5.2")],
)
async def test_a_response_that_is_none(
    serve: Serve, users: dict[str, Any], engine: str, mechanism: str, response: str, code: bytes
) -> None:
    """Cancelled, not Base64, empty, or malformed: told as such, and the session goes on."""
    bench = await serve(**users, engine=engine)
    peer = await bench.ehlo()

    assert (await peer.say(f"AUTH {mechanism}")).startswith(b"334 ")
    assert (await peer.say(response)).startswith(code)
    assert (await LOGINS[mechanism](peer, USER, PASSWORD)).startswith(b"235")


async def test_cram_md5_takes_no_initial_response(serve: Serve) -> None:
    """The server begins (RFC 4954, section 4)."""
    bench = await serve(personality="plain")
    peer = await bench.ehlo()

    assert (await peer.say("AUTH CRAM-MD5 eA==")).startswith(b"501 5.5.4")
    assert (await peer.say("AUTH XOAUTH2 =")).startswith(b"501 5.5.2")


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
async def test_a_client_may_cancel_when_its_token_is_wrong(
    serve: Serve, users: dict[str, Any], mechanism: str
) -> None:
    """It needn't answer what the server tells of the token; the log has its failure anyway."""
    bench = await serve(**users)
    peer = await bench.ehlo()
    response = (xoauth2 if mechanism == "XOAUTH2" else oauthbearer)(USER, WRONG)

    assert challenge_of(await peer.say(f"AUTH {mechanism} {response}")).startswith(b"{")
    assert (await peer.say("*")).startswith(b"501 5.7.0")

    (event,) = bench.events.of(events.AUTH_FAILED)
    assert (event["mechanism"], event["user"]) == (mechanism, USER)


@ENGINES
async def test_a_client_may_doubt_the_servers_proof(
    serve: Serve, users: dict[str, Any], engine: str
) -> None:
    """SCRAM's client cancels when the server doesn't know the password; it isn't logged in then."""
    bench = await serve(**users, engine=engine, ims=Ims(require_authentication=True))
    peer = await bench.ehlo()
    login = LOGINS["SCRAM-SHA-256"]
    say = peer.say

    async def say_or_cancel(command: str | bytes) -> bytes:
        return await say(command or "*")

    peer.say = say_or_cancel  # type: ignore[method-assign]

    assert (await login(peer, USER, PASSWORD)).startswith(b"501 5.7.0")
    assert (await peer.say("MAIL FROM:<a@b>")).startswith(b"530")


@ENGINES
@pytest.mark.parametrize("initial", [True, False])
async def test_long_tokens(serve: Serve, users: dict[str, Any], engine: str, initial: bool) -> None:
    """RFC 4954 has responses of up to 12,288 octets; no other line may be as long."""
    bench = await serve(personality="plain", engine=engine)
    peer = await bench.ehlo()

    async def log_in(response: str) -> bytes:
        if initial:
            return await peer.say(f"AUTH XOAUTH2 {response}")
        await peer.say("AUTH XOAUTH2")
        return await peer.say(response)

    too_long = await log_in(xoauth2("ann", "x" * AUTH_LIMIT))
    assert too_long.startswith(b"500 5.5.2" if initial else b"501 5.7.0")
    assert (await peer.say("NOOP " + "x" * 3000)).startswith(b"500 5.5.2")
    assert (await log_in(xoauth2("ann", "x" * 9000))).startswith(b"235")
    assert (await peer.say("NOOP " + "x" * 3000)).startswith(b"500 5.5.2")
    await _send(peer)
    assert max(map(len, await _said(bench))) < 50


@ENGINES
async def test_faults_strike_every_mechanism(
    serve: Serve, users: dict[str, Any], engine: str
) -> None:
    """One that refuses logins does so when the password has come, right or wrong."""
    fault = Fault(stage="AUTH", action="reply", code=454, enhanced="4.7.0", text="Later")
    bench = await serve(**users, engine=engine, fault=(fault,))
    peer = await bench.ehlo()

    for login in LOGINS.values():
        assert await login(peer, USER, PASSWORD) == b"454 4.7.0 Later\r\n"
        assert await login(peer, USER, WRONG) == b"454 4.7.0 Later\r\n"
    assert len(bench.events.of(events.FAULT_FIRED)) == 2 * len(LOGINS)
