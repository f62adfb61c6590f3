"""Mailboxes of a whole server: what SMTP, POP3, the API, the client and commands make of them."""

from __future__ import annotations

import asyncio
import poplib
import smtplib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bindpost.cli import main
from bindpost.client import Client
from bindpost.config.model import Auth, Listener, Mailbox, Pop3, Settings, WebAccess
from bindpost.errors import ConfigError, ServerUnreachableError
from bindpost.server.app import Bindpost
from bindpost.server.password_files import hash_line

MAILBOXES = (
    Mailbox(name="shop", users="shop-users", domains=("shop.example",)),
    Mailbox(name="crm", users="crm-users", domains=("crm.example",)),
    Mailbox(name="ci-*", plus_tags=("ci-*",)),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with users: of two mailboxes, of all mail, and of SMTP."""
    (tmp_path / "shop-users").write_text(f"{hash_line('Shop', 'shoppass')}\n", "utf-8")
    (tmp_path / "crm-users").write_text("crm:crmpass\n", "utf-8")
    (tmp_path / "web-users").write_text("root:rootpass\n", "utf-8")
    (tmp_path / "smtp-users").write_text("app:apppass\n", "utf-8")
    (tmp_path / "pop-users").write_text("pop:poppass\n", "utf-8")
    return tmp_path


def settings_of(*, auth: Auth = Auth(), pop3_users: str = "") -> Settings:  # noqa: B008 - frozen
    """Give settings with these mailboxes."""
    return Settings(
        listener=(Listener("127.0.0.1:0"),),
        personality="plain",
        web="127.0.0.1:0",
        data=":memory:",
        pop3=Pop3(endpoint="127.0.0.1:0", users=pop3_users),
        web_access=WebAccess(users="web-users"),
        auth=auth,
        mailbox=MAILBOXES,
    )


@pytest.fixture
async def app(folder: Path) -> AsyncIterator[Bindpost]:
    """Give a running server."""
    async with Bindpost(settings_of(), folder=folder) as app:
        yield app


def send(app: Bindpost, *to: str, login: tuple[str, str] | None = None) -> None:
    """Send a message, logged in or not."""
    with smtplib.SMTP(app.smtp[0].host, app.smtp[0].port) as smtp:
        if login is not None:
            smtp.login(*login)
        smtp.sendmail("a@x.example", to, f"Subject: to {to[0]}\r\n\r\nHi\r\n")


def url_of(app: Bindpost, login: str = "root:rootpass") -> str:
    """Give the URL of its web side with a login in it."""
    assert app.web is not None
    return app.web.url.replace("://", f"://{login}@")


def subjects(client: Client) -> list[str]:
    """Give the subjects of what a client sees, oldest first."""
    return [message.fields.subject for message in client.messages()][::-1]


async def test_a_login_to_smtp_puts_mail_in(app: Bindpost) -> None:
    """Mail of a mailbox's user is in it, to whomever it is; its hash is checked."""
    await asyncio.to_thread(send, app, "x@else.example", login=("shop", "shoppass"))
    await asyncio.to_thread(send, app, "x@crm.example")

    seen = await asyncio.to_thread(subjects, Client(url_of(app, "Shop:shoppass")))

    assert seen == ["to x@else.example"]
    assert await asyncio.to_thread(subjects, Client(url_of(app))) == [*seen, "to x@crm.example"]


async def test_a_mailbox_s_name_needs_its_password(app: Bindpost) -> None:
    """Where SMTP takes every login it takes no wrong one of a mailbox's user."""
    for password in ("wrong", "crmpass"):
        with pytest.raises(smtplib.SMTPAuthenticationError):
            await asyncio.to_thread(send, app, "x@x.example", login=("SHOP", password))

    await asyncio.to_thread(send, app, "x@x.example", login=("anybody", "anything"))


async def test_mailboxes_users_join_those_of_smtp(folder: Path) -> None:
    """Where only some logins are good, those of mailboxes are, too."""
    async with Bindpost(settings_of(auth=Auth(users="smtp-users")), folder=folder) as app:
        for login in (("app", "apppass"), ("crm", "crmpass")):
            await asyncio.to_thread(send, app, "x@x.example", login=login)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            await asyncio.to_thread(send, app, "x@x.example", login=("anybody", "anything"))

        client = Client(url_of(app), mailbox="crm")
        assert await asyncio.to_thread(subjects, client) == ["to x@x.example"]


async def test_one_session_for_two_shows_each_its_own(app: Bindpost) -> None:
    """What a client pipelines for one mailbox is in no transcript that another one gets."""
    said = b"EHLO x\r\n" + b"".join(
        b"MAIL FROM:<a@x.example>\r\nRCPT TO:<%b>\r\nDATA\r\nSubject: %b\r\n\r\n.\r\n" % (to, to)
        for to in (b"x@crm.example", b"x@shop.example", b"y@crm.example")
    )
    reader, writer = await asyncio.open_connection(app.smtp[0].host, app.smtp[0].port)
    writer.write(said + b"QUIT\r\n")
    assert b"221" in await reader.read(-1)
    writer.close()

    for name, own, other in (("Shop:shoppass", "x@shop", "crm"), ("crm:crmpass", "x@crm", "shop")):
        client = Client(url_of(app, name))
        oldest = (await asyncio.to_thread(client.messages))[-1]
        message = await asyncio.to_thread(client.message, oldest.id)

        told = str(message.transcript)
        assert f"RCPT TO:<{own}" in told
        assert other not in told


def read_by_pop3(app: Bindpost, name: str, password: str, *, delete: bool = False) -> list[bytes]:
    """Log in by POP3 and give all messages."""
    assert app.pop3 is not None
    address = app.pop3.addresses[0]
    client = poplib.POP3(address.host, address.port)
    try:
        client.user(name)
        client.pass_(password)
        numbers = range(1, client.stat()[0] + 1)
        found = [b"\n".join(client.retr(number)[1]) for number in numbers]
        for number in numbers if delete else ():
            client.dele(number)
        return found
    finally:
        client.quit()


async def test_pop3_opens_the_mailbox(app: Bindpost) -> None:
    """A mailbox's login reads and deletes there; no other name gets around it."""
    await asyncio.to_thread(send, app, "x@shop.example", "x@crm.example")
    await asyncio.to_thread(send, app, "x@crm.example")

    found = await asyncio.to_thread(read_by_pop3, app, "Shop", "shoppass", delete=True)

    assert [b"Subject: to x@shop.example" in one for one in found] == [True]
    assert await asyncio.to_thread(read_by_pop3, app, "shop", "shoppass") == []
    assert len(await asyncio.to_thread(read_by_pop3, app, "crm", "crmpass")) == 2
    for name in ("shop", "*", "x@crm.example", "all"):
        with pytest.raises(poplib.error_proto, match="AUTH"):
            await asyncio.to_thread(read_by_pop3, app, name, "wrong")


async def test_pop3_users_of_their_own_see_all(folder: Path) -> None:
    """The users of [pop3] are as they were, beside those of mailboxes."""
    async with Bindpost(settings_of(pop3_users="pop-users"), folder=folder) as app:
        await asyncio.to_thread(send, app, "x@shop.example")

        assert len(await asyncio.to_thread(read_by_pop3, app, "pop", "poppass")) == 1
        assert len(await asyncio.to_thread(read_by_pop3, app, "shop", "shoppass")) == 1
        assert await asyncio.to_thread(read_by_pop3, app, "crm", "crmpass") == []


async def test_the_client_means_a_mailbox(app: Bindpost) -> None:
    """A client of a mailbox lists, waits for and deletes what is in it, and sees no other."""
    for number in (1, 2):
        await asyncio.to_thread(send, app, f"x+ci-{number}@shop.example")
    one = Client(url_of(app), mailbox="ci-1")

    assert await asyncio.to_thread(subjects, one) == ["to x+ci-1@shop.example"]
    waited = await asyncio.to_thread(one.wait, recipient="x+ci-1@shop.example", timeout=10)
    assert waited is not None
    assert waited.mailboxes == ("ci-1",)
    assert (await asyncio.to_thread(one.delete_all)).deleted == 1
    everything = await asyncio.to_thread(Client(url_of(app)).mailboxes)
    assert [(box.name, box.total) for box in everything] == [
        *(("ci-2", 1), ("crm", 0), ("shop", 2))
    ]
    with pytest.raises(ServerUnreachableError, match="a mailbox has a name"):
        Client(url_of(app), mailbox="")
    with pytest.raises(ServerUnreachableError, match="There is no mailbox 'nowhere'"):
        await asyncio.to_thread(Client(url_of(app), mailbox="nowhere").messages)


async def test_commands_mean_a_mailbox(app: Bindpost) -> None:
    """`bindpost mail` lists mailboxes, and keeps to the one that it is told."""
    await asyncio.to_thread(send, app, "x@shop.example")
    await asyncio.to_thread(send, app, "x@crm.example")

    async def run(*arguments: str) -> Result:
        command = ["mail", *arguments, "--server", url_of(app)]
        return await asyncio.to_thread(CliRunner().invoke, main, command)

    assert (await run("mailboxes")).output.splitlines() == [
        "crm  1 messages, 1 unread",
        "shop  1 messages, 1 unread",
    ]
    listed = (await run("list", "--mailbox", "shop")).output
    assert "to x@shop.example" in listed
    assert "crm" not in listed
    assert "mailboxes   crm" in (await run("show", "latest")).output
    assert (await run("delete", "--all", "--mailbox", "crm")).output == "1 message deleted\n"
    assert (await run("list")).output == listed
    waited = await run("wait", "--mailbox", "crm", "--timeout", "0")
    assert waited.exit_code == 1


async def test_mailboxes_stay_through_a_reload(app: Bindpost, folder: Path) -> None:
    """A reload leaves mailboxes and their users as they were at the start."""
    changed = Settings(listener=(Listener("127.0.0.1:0"),), personality="plain", data=":memory:")

    await app.reload(changed, folder=folder)
    await asyncio.to_thread(send, app, "x@shop.example", login=("crm", "crmpass"))

    found = await asyncio.to_thread(Client(url_of(app)).mailboxes)
    assert [(box.name, box.total) for box in found] == [("crm", 1), ("shop", 1)]


async def test_bad_mailboxes_stop_the_start(folder: Path) -> None:
    """What is wrong with a mailbox is told before anything is bound."""
    settings = Settings(mailbox=(Mailbox(name="a b", domains=("x",)),))

    with pytest.raises(ConfigError, match=r"mailbox\[0\]\.name"):
        Bindpost(settings, folder=folder)
