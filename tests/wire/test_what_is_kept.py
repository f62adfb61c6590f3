"""What is kept beside a message: envelope, session and transcript, as they were."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bindpost.server.message.model import Envelope, Recipient, utc_now

if TYPE_CHECKING:
    from tests.wire.conftest import Bench, Serve


async def _send(bench: Bench, *commands: str | bytes) -> None:
    peer = await bench.greeted()
    for command in (*commands, "QUIT"):
        reply = await peer.say(command)
        assert reply[:1] in {b"2", b"3"}, (command, reply)
    await bench.sessions.wait_for(0)
    await bench.sessions.drain(0)


async def test_the_envelope_is_kept_as_received(serve: Serve) -> None:
    """Paths keep their writing, parameters their order and values; headers have no say in it."""
    bench = await serve(personality="plain")

    await _send(
        bench,
        "EHLO c",
        "MAIL FROM:<Alice.O'Neil@Example.ORG> size=42 RET=hdrs ENVID=QQ+20 AUTH=<> BODY=8bitmime",
        'RCPT TO:<"Bob@home"@x>',
        "RCPT TO:<c@d> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Carl+40d",
        "RCPT TO:<c@d>",
        "RCPT TO:<@relay.test:e@f>",
        "DATA",
        "From: somebody@else\r\nTo: nobody@else\r\n\r\nx\r\n.",
    )

    row, *_notification = await bench.rows()
    assert row.envelope == Envelope(
        reverse_path="Alice.O'Neil@Example.ORG",
        recipients=(
            Recipient('"Bob@home"@x'),
            Recipient("c@d", {"NOTIFY": "SUCCESS,DELAY", "ORCPT": "rfc822;Carl+40d"}),
            Recipient("c@d"),
            Recipient("e@f"),
        ),
        parameters={
            "SIZE": "42",
            "RET": "hdrs",
            "ENVID": "QQ+20",
            "AUTH": "<>",
            "BODY": "8bitmime",
        },
    )
    assert list(row.envelope.parameters) == ["SIZE", "RET", "ENVID", "AUTH", "BODY"]


async def test_each_session_has_its_own_id(serve: Serve) -> None:
    """Messages of one session share theirs, and its transcript; those of another have theirs."""
    bench = await serve()
    mail = ("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "x\r\n.")

    peer = await bench.greeted()
    for command in ("HELO first", *mail, *mail, "QUIT"):
        await peer.say(command)
    await _send(bench, "HELO second", *mail)

    first, second, third = await bench.rows()
    assert first.session.session_id == second.session.session_id
    assert third.session.session_id != first.session.session_id
    said = [[text for _, text in await bench.transcript(row)] for row in (first, third)]
    assert ["HELO first" in lines for lines in said] == [True, False]
    assert ["HELO second" in lines for lines in said] == [False, True]


@pytest.mark.parametrize("personality", ["ims-5.5", "ims-5.0", "imc-4.0", "plain"])
async def test_the_null_path_is_kept(serve: Serve, personality: str) -> None:
    """A bounce's sender is empty."""
    bench = await serve(personality=personality)

    await _send(bench, "HELO c", "MAIL FROM:<>", "RCPT TO:<c@d>", "DATA", "x\r\n.")

    (row,) = await bench.rows()
    assert row.envelope == Envelope("", (Recipient("c@d"),))


@pytest.mark.parametrize(
    ("greeting", "helo", "esmtp"),
    [
        (["EHLO Client.Example"], "Client.Example", True),
        (["HELO client"], "client", False),
        (["EHLO one", "HELO two"], "two", False),
        (["HELO [127.0.0.1]"], "[127.0.0.1]", False),
        (["HELO"], "", False),
        ([], None, False),
    ],
)
async def test_the_session_is_kept(
    serve: Serve, greeting: list[str], helo: str | None, esmtp: bool
) -> None:
    """Greeting, peer, listener, path and personality are those of the session."""
    bench = await serve()
    before = utc_now()

    await _send(bench, *greeting, "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "x\r\n.")

    (row,) = await bench.rows()
    session = row.session
    assert (session.helo, session.esmtp) == (helo, esmtp)
    assert (session.listener, session.via) == ("127.0.0.1:0", "direct:")
    assert session.personality == "ims-5.5"
    assert (session.login, session.tls_version, session.tls_cipher) == (None, None, None)
    assert session.peer is not None
    assert session.peer.startswith("127.0.0.1:")
    assert before <= session.started <= row.received <= utc_now()
    assert row.received.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("peername", "peer"),
    [
        (("192.0.2.1", 1), "192.0.2.1:1"),
        (("2001:db8::1", 65535, 0, 0), "[2001:db8::1]:65535"),
        ("/run/socket", None),
        (None, None),
    ],
)
async def test_the_peer_is_what_the_transport_says(
    serve: Serve, peername: object, peer: str | None
) -> None:
    """The real peer, as host:port; none where it is not known."""
    bench = await serve()
    wire = bench.wire(peername=peername)

    await wire.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n")
    await wire.wait_for_close()

    (row,) = await bench.rows()
    assert row.session.peer == peer


async def test_the_login_is_kept(serve: Serve) -> None:
    """The name that logged in is kept, in any script."""
    bench = await serve(personality="plain")

    await _send(
        bench,
        "EHLO c",
        "AUTH PLAIN AMO8c2VyAHBhc3M=",
        "MAIL FROM:<a@b>",
        "RCPT TO:<c@d>",
        "DATA",
        "x\r\n.",
    )

    (row,) = await bench.rows()
    assert row.session.login == "üser"


async def test_the_transcript_is_the_whole_session(serve: Serve) -> None:
    """Two messages of a session share its transcript: every line, in order, QUIT included."""
    bench = await serve()
    peer = await bench.connected()
    said: list[tuple[str, str]] = []

    def heard(reply: bytes) -> None:
        said.extend(("S", line.decode()) for line in reply.splitlines())

    heard(await peer.reply())
    script = [
        "EHLO client", "AUTH LOGIN dXNlcg==", "c2VjcmV0", "MAIL FROM:<a@b>", "RCPT TO:<c@d>",
        "DATA", "one\r\n.", "NOOP", "", "nonsense", "MAIL FROM:<>", "RCPT TO:<bad",
        "RCPT TO:<e@f>", "DATA", "two\r\n.", "RSET", "QUIT",
    ]  # fmt: skip
    shown = {"AUTH LOGIN dXNlcg==": "AUTH LOGIN ********", "c2VjcmV0": "********"}
    for command in script:
        if command.endswith("\r\n."):
            said.append(("-", "5 octets of data"))
        else:
            said.append(("C", shown.get(command, command)))
        heard(await peer.say(command))
    await bench.sessions.wait_for(0)
    await bench.sessions.drain(0)

    first, second = await bench.rows()

    assert await bench.transcript(first) == said
    assert await bench.transcript(second) == said


async def test_the_transcript_so_far_is_kept_with_the_message(serve: Serve) -> None:
    """While the session lives its transcript ends where the message was kept."""
    bench = await serve()
    peer = await bench.data()
    await peer.say("x\r\n.")

    (row,) = await bench.rows()

    assert [line for line in await bench.transcript(row) if line[0] != "S"] == [
        ("C", "EHLO client"),
        ("C", "MAIL FROM:<a@b>"),
        ("C", "RCPT TO:<c@d>"),
        ("C", "DATA"),
        ("-", "3 octets of data"),
    ]


async def test_ids_and_cursors_rise(serve: Serve) -> None:
    """Messages have ids of their own, and an order."""
    bench = await serve()
    transaction = ("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "x\r\n.")

    await _send(bench, *transaction * 10)

    rows = await bench.rows()
    assert len({row.id for row in rows}) == 10
    assert [row.cursor for row in rows] == sorted({row.cursor for row in rows})


async def test_the_reply_tells_the_id(serve: Serve) -> None:
    """`plain` says under which id a message is kept."""
    bench = await serve(personality="plain")
    peer = await bench.data()

    reply = await peer.say("x\r\n.")

    (row,) = await bench.rows()
    assert reply.decode() == f"250 2.0.0 Ok: queued as {row.id}\r\n"


async def test_the_binary_properties_of_xexch50_are_no_content(serve: Serve) -> None:
    """What follows XEXCH50 is read away, whatever it holds, and stands in no transcript."""
    bench = await serve()
    peer = await bench.ehlo()
    blob = b"\r\nQUIT\r\n.\r\n\0MAIL FROM:<evil@x>\r\n"

    assert (await peer.say(f"XEXCH50 {len(blob)} 2")).startswith(b"354")
    peer.send(blob)
    assert (await peer.reply()).startswith(b"250")
    for command in ("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "x\r\n.", "QUIT"):
        await peer.say(command)

    (row,) = await bench.rows()
    assert row.envelope.reverse_path == "a@b"
    assert "evil" not in repr(await bench.transcript(row))
