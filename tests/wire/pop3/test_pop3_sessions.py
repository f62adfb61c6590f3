"""POP3 sessions: login, the mailbox that a name means, reading, deleting (RFC 1939)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bindpost import events as catalogue

if TYPE_CHECKING:
    from ..conftest import Events
    from .conftest import Deliver, StartPop3


async def test_capa_tells_what_is_offered(pop3: StartPop3) -> None:
    """Without a certificate there is no STLS; CAPA works before the login and after it."""
    client = await (await pop3()).greeted()

    before = await client.ask("CAPA")
    await client.login()

    assert {b"TOP", b"UIDL", b"USER", b"RESP-CODES", b"PIPELINING"} <= set(before)
    assert b"STLS" not in before
    assert b"TOP" in await client.ask("CAPA")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bob@example.com", 2),
        ("BOB@Example.COM", 2),
        ("@example.com", 3),
        ("*@EXAMPLE.com", 3),
        ("nobody@example.com", 0),
        ("*", 4),
        ("all of it", 4),
        ("bob@", 4),
    ],
)
async def test_the_name_picks_the_mailbox(
    pop3: StartPop3, put: Deliver, name: str, expected: int
) -> None:
    """An address means its messages, `@domain` all of a domain, anything else everything."""
    bench = await pop3()
    await put(bench)
    await put(bench, to=("bob@example.com", "x@other.example"))
    await put(bench, to=("ann@example.com",))
    await put(bench, to=("ann@sub.example.com",))

    client = await bench.logged_in(name)

    assert (await client.say("STAT")).split()[1] == str(expected).encode()


async def test_messages_are_numbered_from_the_oldest(pop3: StartPop3, put: Deliver) -> None:
    """LIST and UIDL tell sizes and ids, in the order of acceptance."""
    bench = await pop3()
    first, second = await put(bench, b"1"), await put(bench, b"22\r\n")
    client = await bench.logged_in()

    assert await client.say("STAT") == b"+OK 2 5"
    assert await client.ask("LIST") == [b"1 1", b"2 4"]
    assert await client.ask("UIDL") == [f"1 {first.id}".encode(), f"2 {second.id}".encode()]
    assert await client.say("LIST 2") == b"+OK 2 4"
    assert await client.say("uidl 2") == f"+OK 2 {second.id}".encode()


async def test_retr_sends_the_message_with_its_dots_stuffed(pop3: StartPop3, put: Deliver) -> None:
    """A dot goes before a dot that begins a line, and CRLF ends the last line."""
    bench = await pop3()
    await put(bench, b".a: b\r\n\r\n.\r\n..\r\nx.\xff\r\nend")
    client = await bench.logged_in()

    assert (await client.say("RETR 1")).startswith(b"+OK ")
    assert await client.rest_of_answer() == b"..a: b\r\n\r\n..\r\n...\r\nx.\xff\r\nend\r\n.\r\n"


async def test_a_bare_lf_cannot_end_the_answer(pop3: StartPop3, put: Deliver) -> None:
    """LF . LF inside a message goes out as CRLF .. CRLF: no client can take it for the end."""
    bench = await pop3()
    await put(bench, b"a: b\n\n.\n+OK forged\r\n")
    client = await bench.logged_in()

    await client.say("RETR 1")

    assert await client.rest_of_answer() == b"a: b\r\n\r\n..\r\n+OK forged\r\n.\r\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [(0, [b"a: b", b""]), (1, [b"a: b", b"", b"1"]), (9, [b"a: b", b"", b"1", b"2"])],
)
async def test_top_sends_so_many_lines(
    pop3: StartPop3, put: Deliver, lines: int, expected: list[bytes]
) -> None:
    """TOP sends the header, the blank line and the first lines of the body."""
    bench = await pop3()
    await put(bench, b"a: b\r\n\r\n1\r\n2\r\n")
    client = await bench.logged_in()

    assert await client.ask(f"TOP 1 {lines}") == expected


async def test_top_of_a_message_without_a_body_is_all_of_it(pop3: StartPop3, put: Deliver) -> None:
    """A message without a blank line is a header to its end."""
    bench = await pop3()
    await put(bench, b"a: b\r\nc: d")
    client = await bench.logged_in()

    assert await client.ask("TOP 1 0") == [b"a: b", b"c: d"]


async def test_dele_is_carried_out_by_quit(pop3: StartPop3, put: Deliver, events: Events) -> None:
    """Until QUIT a message is only marked; the log says what was done."""
    bench = await pop3()
    await put(bench)
    kept = await put(bench)
    client = await bench.logged_in()

    assert (await client.say("DELE 1")).startswith(b"+OK")
    assert (await client.say("RETR 1")).startswith(b"-ERR")
    assert (await client.say("DELE 1")).startswith(b"-ERR")
    assert (await client.ask("LIST"))[0].startswith(b"2 ")
    assert (await bench.store.count()).total == 2
    assert (await client.say("QUIT")).startswith(b"+OK")

    assert [row.id for row in await bench.store.find()] == [kept.id]
    assert await client.rest() == b""
    ended = await events.wait_for(catalogue.POP3_SESSION)
    assert (ended["mailbox"], ended["retrieved"], ended["deleted"]) == ("*", 0, 1)


async def test_without_quit_nothing_is_deleted(
    pop3: StartPop3, put: Deliver, events: Events
) -> None:
    """A client that goes away has deleted nothing (RFC 1939, section 6)."""
    bench = await pop3()
    await put(bench)
    client = await bench.logged_in()

    await client.say("DELE 1")
    client.writer.close()
    ended = await events.wait_for(catalogue.POP3_SESSION)

    assert ended["deleted"] == 0
    assert (await bench.store.count()).total == 1


async def test_rset_takes_marks_back(pop3: StartPop3, put: Deliver) -> None:
    """After RSET and QUIT all is still there."""
    bench = await pop3()
    await put(bench)
    client = await bench.logged_in()

    await client.say("DELE 1")
    assert (await client.say("RSET")).startswith(b"+OK 1 messages")
    await client.say("QUIT")

    assert (await bench.store.count()).total == 1


async def test_sessions_have_a_picture_of_their_own(pop3: StartPop3, put: Deliver) -> None:
    """New mail isn't seen, numbers don't move, and what another has deleted is told."""
    bench = await pop3()
    await put(bench)
    await put(bench)
    one, other = await bench.logged_in(), await bench.logged_in()

    await put(bench)
    await other.say("DELE 1")
    await other.say("QUIT")

    assert (await one.say("STAT")).startswith(b"+OK 2 ")
    assert await one.say("RETR 1") == b"-ERR message 1 is no longer in the inbox"
    assert (await one.say("RETR 2")).startswith(b"+OK")
    await one.rest_of_answer()
    await one.say("DELE 1")
    assert (await one.say("QUIT")).startswith(b"+OK")


async def test_users_are_checked(pop3: StartPop3, events: Events) -> None:
    """With a file of users only they get in; the third refusal ends the session."""
    bench = await pop3(users={"bob@example.com": b"right one"})

    good = await bench.greeted()
    bad = await bench.greeted()

    assert (await good.login("Bob@Example.com", "right one")).startswith(b"+OK")
    assert (await bad.login("bob@example.com", "right one ")).startswith(b"-ERR [AUTH] ")
    assert (await bad.login("ann", "right one")).startswith(b"-ERR [AUTH] ")
    assert (await bad.login("bob@example.com", "")).startswith(b"-ERR [AUTH] ")
    assert await bad.rest() == b""
    refused = events.of(catalogue.POP3_LOGIN_REFUSED)
    assert [fields["user"] for fields in refused] == ["bob@example.com", "ann", "bob@example.com"]


async def test_commands_have_their_time(pop3: StartPop3) -> None:
    """Nothing of the inbox is told before the login, and there is no second one."""
    client = await (await pop3()).greeted()

    assert await client.say("STAT") == b"-ERR STAT is for after the login"
    assert await client.say("PASS x") == b"-ERR say USER first"
    assert (await client.login()).startswith(b"+OK")
    assert await client.say("USER x") == b"-ERR USER is for before the login"
    assert await client.say("APOP x y") == b"-ERR there is no such command"
    assert (await client.say("NOOP")).startswith(b"+OK")


async def test_the_newest_messages_are_shown_if_there_are_too_many(
    pop3: StartPop3, put: Deliver
) -> None:
    """A session's memory is bounded: of very many messages it has the newest."""
    from bindpost.server.pop3.maildrop import Mailbox, Maildrop

    bench = await pop3()
    rows = [await put(bench, b"%d" % place) for place in range(5)]

    maildrop = await Maildrop.open(bench.store, Mailbox(), most=3)

    assert [entry.id for _, entry in maildrop] == [row.id for row in rows[2:]]
