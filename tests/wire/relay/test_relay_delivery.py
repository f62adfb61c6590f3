"""One attempt: what the server is told, and what its answers mean."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bindpost import events
from bindpost.config.model import Tls
from bindpost.proxy.local import free_port
from bindpost.server.message.model import Recipient
from bindpost.server.relay.delivery import Answer
from bindpost.server.relay.sender import Result
from bindpost.server.smtp.tls import make_context, self_signed_pem

from ...clock import Clock
from .conftest import Log
from .mta import Mta

Send = Callable[..., Any]


def states(result: Result) -> list[str]:
    """Give each recipient's state, `none` for those without an answer."""
    return [answer.state if answer else "none" for answer in result.answers]


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: x\r\n\r\n.\r\n..\r\n...\r\n.dot\r\nend.\r\n",
        b"\r\n.\r\n",
        b".\r\n",
        b"",
        b"\r\n",
        b"8bit \xff\xfe\r\nbare\nLF and\rCR\r\n",
        b"\0" * 10 + b"\r\n",
        b"x" * 3_000_000 + b"\r\n.\r\n",
        (b"." * 70 + b"\r\n") * 10_000,
    ],
)
async def test_the_bytes_arrive_as_they_are(send: Send, mta: Mta, raw: bytes) -> None:
    """Whatever a message is made of, the server gets exactly that."""
    result = await send(raw)

    assert result.answers == (Answer("sent", 250, "taken"),)
    assert mta.mails[0].raw == raw


async def test_an_end_without_crlf_gets_one(send: Send, mta: Mta) -> None:
    """SMTP can't carry a message that doesn't end with CRLF; it is added, nothing else."""
    await send(b"Subject: x\r\n\r\nno end")

    assert mta.mails[0].raw == b"Subject: x\r\n\r\nno end\r\n"


@pytest.mark.parametrize("raw", [b"x\n.\r\nMAIL FROM:<evil@x>\r\n", b"x\r.\r\n", b"x\n.\n"])
async def test_no_message_can_smuggle_commands(send: Send, mta: Mta, raw: bytes) -> None:
    """A dot behind a bare CR or LF, an end of the message to some servers, is never sent."""
    result = await send(raw)

    assert result.trouble is not None
    assert (result.trouble.hop, result.trouble.permanent) == ("message", True)
    assert "bare CR or LF" in str(result.trouble)
    assert mta.commands == []


async def test_the_envelope_is_the_original(send: Send, mta: Mta) -> None:
    """Sender, recipients and the parameters that the server knows are said as received."""
    to = [
        Recipient("b@example.org", {"NOTIFY": "NEVER", "ORCPT": "rfc822;b@x"}),
        Recipient('"a b"@example.org', {}),
    ]
    await send(
        to=to, sender='"q, r"@example.com', parameters={"RET": "HDRS", "BODY": "8BITMIME", "X": "y"}
    )

    assert mta.mails[0].sender == '<"q, r"@example.com> SIZE=65 BODY=8BITMIME RET=HDRS'
    assert mta.mails[0].recipients == [
        "<b@example.org> NOTIFY=NEVER ORCPT=rfc822;b@x",
        '<"a b"@example.org>',
    ]


async def test_a_server_without_extensions_is_told_none(send: Send, mta: Mta) -> None:
    """What the server doesn't offer isn't said, nor is a HELO name other than the relay's."""
    mta.say("ehlo", "500 what?")
    await send(parameters={"RET": "HDRS", "BODY": "8BITMIME"}, sender="")

    assert mta.mails[0].sender == "<>"
    assert "helo bindpost-relay.test" in mta.commands


async def test_utf8_addresses_need_smtputf8(send: Send, mta: Mta) -> None:
    """An address that is not ASCII fails by itself where the server has no SMTPUTF8."""
    result = await send(to=["bücher@example.org", "b@example.org"])

    assert states(result) == ["failed", "sent"]
    assert "SMTPUTF8" in result.answers[0].text


async def test_utf8_addresses_are_sent_with_smtputf8(send: Send, mta: Mta) -> None:
    """Where the server has SMTPUTF8, it is asked for, and the address is said in UTF-8."""
    mta.extensions.append("SMTPUTF8")
    await send(to=["bücher@example.org"], sender="jörg@example.com")

    assert mta.mails[0].sender.endswith(" SMTPUTF8")
    assert mta.mails[0].recipients == ["<bücher@example.org>"]


async def test_a_utf8_sender_needs_smtputf8(send: Send) -> None:
    """A sender that is not ASCII fails the message where the server has no SMTPUTF8."""
    result = await send(sender="jörg@example.com")

    assert (result.trouble.hop, result.trouble.permanent) == ("message", True)


@pytest.mark.parametrize("address", ["postmaster", "a b@x", "x@y>\r\nRSET", "a@b c", "<a@b>"])
async def test_what_is_no_address_never_reaches_the_server(
    send: Send, mta: Mta, address: str
) -> None:
    """A malformed recipient fails by itself, and is not said."""
    result = await send(to=[address, "b@example.org"])

    assert states(result) == ["failed", "sent"]
    assert mta.mails[0].recipients == ["<b@example.org>"]


async def test_a_malformed_sender_fails_the_message(send: Send, mta: Mta) -> None:
    """A sender that could be a command is never said."""
    result = await send(sender="x>\r\nRCPT TO:<y@z>")

    assert (result.trouble.hop, result.trouble.permanent) == ("message", True)
    assert mta.commands == []


async def test_each_recipient_has_the_servers_own_reply(send: Send, mta: Mta) -> None:
    """Some are taken, some refused for good, some for now, each with its reply."""
    mta.say("RCPT TO:<no@", "550 5.1.1 no such user")
    mta.say("RCPT TO:<later@", "450 4.2.1 greylisted")
    result = await send(to=["no@x", "yes@x", "later@x"])

    assert result.answers == (
        Answer("failed", 550, "5.1.1 no such user"),
        Answer("sent", 250, "taken"),
        Answer("queued", 450, "4.2.1 greylisted"),
    )
    assert mta.mails[0].recipients == ["<yes@x>"]


async def test_a_transaction_without_recipients_is_ended(send: Send, mta: Mta) -> None:
    """When nobody is taken, no DATA follows."""
    mta.say("RCPT", "550 no")
    result = await send(to=["a@x", "b@x"])

    assert states(result) == ["failed", "failed"]
    assert not any(command.startswith("DATA") for command in mta.commands)


@pytest.mark.parametrize(
    ("prefix", "reply", "state"),
    [
        ("MAIL", "550 no", "failed"),
        ("MAIL", "451 later", "queued"),
        ("DATA", "554 no", "failed"),
        ("DATA", "451 later", "queued"),
        ("END", "552 too big", "failed"),
        ("END", "452 full", "queued"),
    ],
)
async def test_a_refused_message_is_refused_for_all(
    send: Send, mta: Mta, prefix: str, reply: str, state: str
) -> None:
    """5xx to the message is final for every recipient that was taken, 4xx is not."""
    mta.say(prefix, reply)
    result = await send(to=["a@x", "b@x"])

    assert states(result) == [state, state]
    assert result.answers[0].code == int(reply[:3])


async def test_many_recipients_go_in_hundreds(send: Send, mta: Mta) -> None:
    """A server has to take a hundred at once and no more, so each hundred is a transaction."""
    result = await send(to=[f"{n}@example.org" for n in range(250)])

    assert [len(mail.recipients) for mail in mta.mails] == [100, 100, 50]
    assert set(states(result)) == {"sent"}
    assert sum(command == "CONNECT" for command in mta.commands) == 1


async def test_what_was_sent_stays_sent_when_the_connection_breaks(send: Send, mta: Mta) -> None:
    """Recipients of a transaction that was ended are served, whatever comes after."""
    mta.say("RCPT TO:<100@", "close")
    result = await send(to=[f"{n}@x" for n in range(150)])

    assert states(result) == ["sent"] * 100 + ["none"] * 50
    assert result.trouble.hop == "server"
    assert not result.trouble.permanent


@pytest.mark.parametrize(
    ("prefix", "reply", "said", "permanent"),
    [
        ("CONNECT", "554 go away", "at greeting: 554 go away", True),
        ("CONNECT", "421 busy", "at greeting: 421 busy", False),
        ("CONNECT", "close", "at greeting: it closed the connection", False),
        ("CONNECT", "SSH-2.0-OpenSSH_9.2", 'at greeting: no SMTP: "SSH-2.0-OpenSSH_9.2"', False),
        ("MAIL", "close", "at MAIL: it closed the connection", False),
        ("END", "close", "at end of the message: it closed the connection", False),
        ("DATA", "250 ok", 'at DATA: no SMTP: "250 ok"', False),
        ("RCPT", "x" * 9000, "no SMTP", False),
        ("RCPT", "250-a\r\n" * 1000 + "250 b", "no SMTP", False),
    ],
)
async def test_a_session_that_fails_is_named(
    send: Send, mta: Mta, prefix: str, reply: str, said: str, permanent: bool
) -> None:
    """The trouble names server and step; only 5xx is permanent."""
    mta.say(prefix, reply)
    result = await send()

    assert result.trouble.hop == "server"
    assert said in str(result.trouble)
    assert f"server 127.0.0.1:{mta.address[1]}" in str(result.trouble)
    assert result.trouble.permanent is permanent


@pytest.mark.parametrize("prefix", ["CONNECT", "MAIL", "END"])
async def test_silence_ends_at_the_deadline(send: Send, mta: Mta, prefix: str) -> None:
    """A server that says nothing costs no more than the time that an attempt may take."""
    mta.say(prefix, "silence")
    result = await send(timeout=0.2)

    assert result.trouble.hop == "server"
    assert "not done after 0.2 seconds" in str(result.trouble)


async def test_a_drip_ends_at_the_deadline(send: Send, clock: Clock) -> None:
    """A server that says a byte now and then, for ever, is cut at the deadline all the same."""
    called, cut = asyncio.Event(), asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        gone = asyncio.create_task(reader.read())
        while not (await asyncio.wait({gone}, timeout=10))[0]:
            writer.write(b"2")
        cut.set()
        writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        sending = asyncio.create_task(send(server=f"127.0.0.1:{port}", timeout=60))
        await called.wait()
        for _ in range(7):
            await clock.move_on(10)
        result = await sending
        await cut.wait()

    assert "not done after 60 seconds" in str(result.trouble)


async def test_nobody_there_is_told(send: Send, log: Log) -> None:
    """A server that isn't there is named with what to do, and event 3011 says it as IMS did."""
    port = free_port()
    result = await send(server=f"127.0.0.1:{port}")

    assert str(result.trouble) == f"connecting to server 127.0.0.1:{port}: Connection refused"
    assert "relay.server" in result.trouble.hint
    assert not result.trouble.permanent
    names = {"server": f"127.0.0.1:{port}", "via": "direct:"}
    host = {"host": "127.0.0.1", "domain": "127.0.0.1"}
    assert log.seen == [(events.CONNECT_REFUSED, host | names)]


async def test_a_connection_is_told(send: Send, mta: Mta, log: Log) -> None:
    """Event 2003 tells the address that answered and the host whose it is."""
    await send(server=f"localhost:{mta.address[1]}")

    (told,) = log.of(events.CONNECTION_MADE)
    assert (told["host"], told["domain"]) == ("127.0.0.1", "localhost")


async def test_a_name_that_is_unknown_is_told(send: Send, log: Log) -> None:
    """A name that can't be looked up is named; nothing was connected, so no event says so."""
    result = await send(server="no-such-host.invalid:25")

    assert "looking up server no-such-host.invalid:25" in str(result.trouble)
    assert log.seen == []


async def test_every_address_of_a_name_is_tried(send: Send, mta: Mta) -> None:
    """`localhost` may mean ::1 first, where nobody listens."""
    result = await send(server=f"localhost:{mta.address[1]}")

    assert states(result) == ["sent"]


# TLS and login


@pytest.fixture
def certificate(tmp_path: Path, mta: Mta) -> str:
    """Give the server a certificate, and the name of its file."""
    (tmp_path / "server.pem").write_bytes(self_signed_pem("mta.example"))
    mta.tls = make_context(Tls(certificate="server.pem"), hostname="x", folder=tmp_path)
    return "server.pem"


@pytest.fixture
def password(tmp_path: Path) -> str:
    """Give the name of a file with a password in it."""
    (tmp_path / "password").write_text("s3cret\n")
    return "password"


async def test_starttls_and_a_login(send: Send, mta: Mta, certificate: str, password: str) -> None:
    """After STARTTLS, with a certificate that is trusted, the login is sent, then the message."""
    mta.extensions += ["STARTTLS", "AUTH PLAIN"]
    result = await send(tls="starttls", ca_file=certificate, user="me", password_file=password)

    assert states(result) == ["sent"]
    verbs = [command.split()[0].upper() for command in mta.commands]
    assert verbs[:6] == ["CONNECT", "EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL"]
    assert mta.commands[4] == "AUTH PLAIN AG1lAHMzY3JldA=="


@pytest.mark.parametrize(("tls", "offered"), [("off", True), ("starttls", False)])
async def test_requiretls_goes_nowhere_else(
    send: Send, mta: Mta, certificate: str, tls: str, offered: bool
) -> None:
    """In the clear, or to a server that lacks it, the message does not go (RFC 8689, 4.2.1)."""
    mta.extensions += ["STARTTLS", *(["REQUIRETLS"] if offered else [])]

    result = await send(parameters={"REQUIRETLS": None}, tls=tls, ca_file=certificate)

    assert (result.trouble.hop, result.trouble.permanent) == ("message", True)
    assert "REQUIRETLS" in str(result.trouble)
    assert mta.mails == []


async def test_requiretls_and_priority_are_passed_on(
    send: Send, mta: Mta, certificate: str
) -> None:
    """By TLS, to a server that knows them."""
    mta.extensions += ["STARTTLS", "REQUIRETLS", "MT-PRIORITY"]
    parameters = {"REQUIRETLS": None, "MT-PRIORITY": "-3"}

    result = await send(parameters=parameters, tls="starttls", ca_file=certificate)

    assert states(result) == ["sent"]
    assert mta.mails[0].sender.endswith(" REQUIRETLS MT-PRIORITY=-3")


async def test_implicit_tls(send: Send, certificate: str, tmp_path: Path) -> None:
    """With implicit TLS the greeting is encrypted already."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / certificate)
    greeted = asyncio.Event()

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 5.3.2 hello over TLS\r\n")
        greeted.set()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        result = await send(server=f"127.0.0.1:{port}", tls="implicit", ca_file=certificate)
        await greeted.wait()

    assert "554 5.3.2 hello over TLS" in str(result.trouble)


async def test_no_starttls_means_nothing_is_sent(send: Send, mta: Mta) -> None:
    """When STARTTLS is wanted and not offered, the message stays here."""
    result = await send(tls="starttls")

    assert "it offers no STARTTLS" in str(result.trouble)
    assert "relay.tls" in result.trouble.hint
    assert result.trouble.permanent
    assert not any(command.startswith("MAIL") for command in mta.commands)


async def test_a_certificate_that_is_not_trusted(send: Send, mta: Mta, certificate: str) -> None:
    """A certificate of somebody else's is refused, with what to do."""
    mta.extensions.append("STARTTLS")
    result = await send(tls="starttls")

    assert "its certificate is not trusted" in str(result.trouble)
    assert "relay.ca_file" in result.trouble.hint
    assert result.trouble.permanent


async def test_implicit_tls_at_a_plain_server(send: Send) -> None:
    """A server that speaks plainly first is told as what it is."""
    result = await send(tls="implicit")

    assert "no TLS" in str(result.trouble)
    assert "relay.tls" in result.trouble.hint


async def test_a_refused_login(send: Send, mta: Mta, password: str) -> None:
    """A login that is refused is permanent, and shows no password."""
    mta.extensions.append("AUTH PLAIN")
    mta.say("AUTH", "535 5.7.8 wrong")
    result = await send(user="me", password_file=password)

    assert "at AUTH: 535 5.7.8 wrong" in str(result.trouble)
    assert "relay.password_file" in result.trouble.hint
    assert result.trouble.permanent
    assert "s3cret" not in repr(result)
    assert "AG1lAHMzY3JldA" not in repr(result)


async def test_a_server_without_a_login(send: Send, password: str) -> None:
    """A server that offers no login is told as what it is."""
    result = await send(user="me", password_file=password)

    assert "it offers no login" in str(result.trouble)
