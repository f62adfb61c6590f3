"""The web side as an app serves it: HTTPS, logins, names, warnings; and commands that ask it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from bindpost import events
from bindpost.cli import main
from bindpost.client import Client
from bindpost.config.model import Listener, Settings, WebAccess
from bindpost.errors import ConfigError, ServerUnreachableError
from bindpost.server.app import Bindpost
from bindpost.server.passwords import Scrypt
from bindpost.server.smtp.tls import self_signed_pem
from bindpost.server.web.access import Access
from bindpost.testing.logged import all_said

PASSWORD = "p@ss:w/rd"
TOKEN = "0123456789abcdef-token"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with a certificate, a user and a token."""
    (tmp_path / "cert.pem").write_bytes(self_signed_pem("mail.example"))
    (tmp_path / "users").write_text(f"jane:{PASSWORD}\n", "utf-8")
    (tmp_path / "tokens").write_text(f"{TOKEN}\n", "utf-8")
    return tmp_path


def app_of(folder: Path, access: WebAccess, web: str = "127.0.0.1:0") -> Bindpost:
    """Give an app with a web side."""
    listener = Listener("127.0.0.1:0")
    settings = Settings(listener=(listener,), web=web, data=":memory:", web_access=access)
    return Bindpost(settings, folder=folder)


def url_of(app: Bindpost) -> str:
    """Give the URL of its web side."""
    assert app.web is not None
    return app.web.url


async def run(*arguments: str, env: Mapping[str, str] | None = None, input: str = "") -> Result:
    """Run a command."""
    runner = CliRunner(env=dict(env or {}))
    return await asyncio.to_thread(runner.invoke, main, arguments, input=input)


async def test_https_and_logins_work_for_the_client(folder: Path) -> None:
    """The client trusts the certificate it is told, logs in, and isn't let in otherwise."""
    access = WebAccess(users="users", tokens="tokens", certificate="cert.pem")
    trusting = ssl.create_default_context(cafile=folder / "cert.pem")
    async with app_of(folder, access) as app:
        url = url_of(app)
        assert url.startswith("https://")
        named = url.replace("://", "://jane:p%40ss%3Aw%2Frd@")
        assert await asyncio.to_thread(Client(url, tls=trusting).ready)
        for client in (Client(named, tls=trusting), Client(url, tls=trusting, token=TOKEN)):
            assert client.url == url
            assert await asyncio.to_thread(client.messages) == []
        for client, told in [
            (Client(url, tls=trusting), "none was given"),
            (Client(url, tls=trusting, token=f"{TOKEN}x"), "refused this one"),
            (Client(named, token=TOKEN), "certificate verify failed"),
            (Client(named.replace("https:", "http:")), "http://127.0.0.1"),
        ]:
            with pytest.raises(ServerUnreachableError, match=told) as caught:
                await asyncio.to_thread(client.messages)
            assert not [word for word in ("ss%3A", PASSWORD, TOKEN) if word in str(caught.value)]


async def test_a_certificate_is_made_on_the_spot(folder: Path) -> None:
    """`self-signed` gives HTTPS, of TLS 1.2 or later, to those who don't look closely."""
    async with (
        app_of(folder, WebAccess(certificate="self-signed")) as app,
        httpx.AsyncClient(verify=False, trust_env=False) as client,
    ):
        response = await client.get(f"{url_of(app)}/livez")

    assert response.status_code == 200


@pytest.mark.parametrize(
    ("web", "access", "warnings"),
    [
        ("0.0.0.0:0", WebAccess(), [events.WEB_OPEN]),
        ("[::]:0", WebAccess(), [events.WEB_OPEN]),
        ("0.0.0.0:0", WebAccess(users="users"), [events.WEB_UNENCRYPTED]),
        ("0.0.0.0:0", WebAccess(tokens="tokens", certificate="cert.pem"), []),
        ("127.0.0.1:0", WebAccess(), []),
        ("127.0.0.1:0", WebAccess(users="users"), []),
        ("unix:web.sock", WebAccess(users="users", certificate="cert.pem"), []),
    ],
)
async def test_who_is_exposed_is_warned(
    folder: Path, web: str, access: WebAccess, warnings: list[object]
) -> None:
    """A server that others can reach says what it lacks: a login, or HTTPS for it."""
    web = web.replace("unix:", f"unix:{folder}/")
    with all_said() as logs:
        async with app_of(folder, access, web):
            pass

    assert [log["event"] for log in logs if log["log_level"] == "warning"] == warnings


async def test_a_unix_socket_wants_a_login_too(folder: Path) -> None:
    """A token gets in by a Unix socket, over plain HTTP whatever the certificate."""
    web = f"unix:{folder}/web.sock"
    access = WebAccess(tokens="tokens", certificate="cert.pem")
    async with app_of(folder, access, web):
        assert await asyncio.to_thread(Client(web, token=TOKEN).messages) == []
        with pytest.raises(ServerUnreachableError, match="none was given"):
            await asyncio.to_thread(Client(web).messages)


@pytest.mark.parametrize("hosts", [(), ("mail.example",), ("*",)])
async def test_further_names_may_be_allowed(folder: Path, hosts: tuple[str, ...]) -> None:
    """A name that the settings list is answered, and no other unless they list `*`."""
    async with app_of(folder, WebAccess(hosts=hosts)) as app:
        statuses = []
        async with httpx.AsyncClient(trust_env=False) as client:
            for host in ("mail.example", "evil.example"):
                response = await client.get(f"{url_of(app)}/livez", headers={"Host": host})
                statuses.append(response.status_code)

    assert statuses == [
        200 if {host, "*"} & set(hosts) else 403 for host in ("mail.example", "evil.example")
    ]


@pytest.mark.parametrize(
    ("access", "key"),
    [
        (WebAccess(users="absent"), "web_access.users"),
        (WebAccess(certificate="absent"), "web_access.certificate"),
        (WebAccess(certificate="users"), "web_access.certificate"),
    ],
)
async def test_what_cannot_be_read_ends_the_start(
    folder: Path, access: WebAccess, key: str
) -> None:
    """A server with a login or a certificate that is unusable doesn't start without it."""
    app = app_of(folder, access)
    with pytest.raises(ConfigError, match=key):
        await app.__aenter__()

    assert app.web is None


async def test_commands_log_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a URL or by BINDPOST_TOKEN, which is no setting; nothing of either is printed."""
    monkeypatch.chdir(folder)
    async with app_of(folder, WebAccess(users="users", tokens="tokens")) as app:
        url = url_of(app)
        listing = ("mail", "list", "--server")
        named = await run(*listing, url.replace("://", "://jane:p%40ss%3Aw%2Frd@"))
        token = await run(*listing, url, env={"BINDPOST_TOKEN": TOKEN})
        from_settings = await run(
            "mail", "list", env={"BINDPOST_TOKEN": TOKEN, "BINDPOST_WEB": url[len("http://") :]}
        )
        wrong = await run(*listing, url.replace("://", "://jane:hunter2@"))
        stray = await run(*listing, "jane:hunter2@127.0.0.1:1")
        bad = await run(*listing, url, env={"BINDPOST_TOKEN": "hunter2 hunter2"})

    assert [one.exit_code for one in (named, token, from_settings)] == [0, 0, 0]
    for result in (wrong, stray, bad):
        assert result.exit_code != 0
        assert "hunter2" not in result.output
    assert "BINDPOST_TOKEN" in wrong.output


async def test_a_line_is_made_for_the_file(folder: Path) -> None:
    """`bindpost web-password` prints a line with which the user gets in."""
    result = await run("web-password", "bob", input="a secret\n")
    (folder / "users").write_text(result.stdout, "utf-8")
    known = Access.load(WebAccess(users="users"), folder=folder).users["bob"]

    assert isinstance(known, Scrypt)
    assert known.matches(b"a secret")
    assert "a secret" not in result.output


@pytest.mark.parametrize(("name", "password"), [("a:b", "x"), ("", "x"), ("#a", "x"), ("a", "")])
async def test_a_line_that_could_not_be_read_is_not_made(name: str, password: str) -> None:
    """A name with a colon, or no password, is a usage error."""
    result = await run("web-password", name, input=f"{password}\n")

    assert result.exit_code == 2
