"""NTLM logins: who gets in, who does not and with which code, and what is never shown."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.config.model import WinsockPath
from bindpost.proxy.winsock.codec import Packet
from bindpost.proxy.winsock.messages import Authentication, Bind, Refusal
from bindpost.proxy.winsock.ntlm import Credentials
from bindpost.proxy.winsock.provider import WinsockProvider
from bindpost.proxy.winsock.wire import Address

if TYPE_CHECKING:
    from tests.wire.winsock.conftest import World

FORCED = "ForceCredentials=1\n"
PASSWORD = "corr3ct-h0rse"
SERVICE = Credentials(user="LAB\\mailsvc", password=PASSWORD)


@pytest.mark.parametrize("account", ["mailsvc", "LAB\\mailsvc", "lab\\MAILSVC"])
async def test_account_logs_in_and_binds(world: World, account: str) -> None:
    """The right password lets an account bind, with or without its domain, in any case."""
    proxy = await world.proxy(accounts={account: PASSWORD})

    bound = await world.bind(world.provider(FORCED, credentials=SERVICE))

    assert len(proxy.bound) == 1
    assert await world.visit(bound.outside)


@pytest.mark.meets("winsock://", "no_login")
@pytest.mark.parametrize(
    "accounts",
    [{"mailsvc": "another"}, {"somebody": PASSWORD}, {"OTHER\\mailsvc": PASSWORD}],
    ids=["wrong password", "unknown account", "other domain"],
)
async def test_account_that_is_not_let_in(world: World, accounts: dict[str, str]) -> None:
    """A login that the proxy refuses is 10050, hop auth, and nothing is bound."""
    proxy = await world.proxy(accounts=accounts)

    error = await world.error_of(world.provider(FORCED, credentials=SERVICE))
    await proxy.idle()

    assert (error.code, error.hop) == (10050, "auth")
    assert "Q181420" in error.hint


@pytest.mark.parametrize(
    ("section", "credentials"),
    [(FORCED, None), ("", SERVICE)],
    ids=["no account", "no ForceCredentials"],
)
async def test_nobody_logs_in_without_both(
    world: World, section: str, credentials: Credentials | None
) -> None:
    """Without ForceCredentials=1, or without an account, no login is tried: 10050 at the bind."""
    heard: list[bytes] = []
    await world.proxy(
        accounts={"mailsvc": PASSWORD}, tap=lambda _way, _from, _to, data: heard.append(data)
    )

    error = await world.error_of(world.provider(section, credentials=credentials))

    assert (error.code, error.hop) == (10050, "bind")
    assert "ForceCredentials" in error.hint
    assert not any(isinstance(Packet.loads(data).message, Authentication) for data in heard)


async def test_proxy_without_accounts_lets_everybody_in(world: World) -> None:
    """With access control off a login is played and not checked."""
    proxy = await world.proxy()

    await world.bind(world.provider(FORCED, credentials=SERVICE))

    assert len(proxy.bound) == 1


async def test_lost_bind_logs_in_again(world: World) -> None:
    """Persistent=1 binds again with a login of its own."""
    proxy = await world.proxy(accounts={"mailsvc": PASSWORD})
    section = f"{FORCED}Persistent=1\n"
    provider = world.provider(section, credentials=SERVICE, timing=world.hasty)
    bound = await world.bind(provider)

    proxy.forget()
    while (await bound.reports.get())[1] is not None:
        pass

    assert await world.visit(bound.outside)


async def test_diagnosis_logs_in(world: World) -> None:
    """`bindpost check` walks the login, and names the account."""
    await world.proxy(accounts={"mailsvc": "another"})
    provider = world.provider(FORCED, credentials=SERVICE)

    hops = await provider.diagnose(Endpoint("127.0.0.1", 0))

    assert [(hop.name, hop.ok) for hop in hops] == [
        ("decision", True),
        ("resolve", True),
        ("greeting", True),
        ("auth", False),
        ("serve", None),
    ]


async def test_password_is_shown_nowhere(
    world: World, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """It is in no log line, no repr, no error, no hop, and in no datagram."""
    caplog.set_level(logging.DEBUG)
    datagrams: list[bytes] = []
    proxy = await world.proxy(
        accounts={"mailsvc": "another"},
        tap=lambda _way, _from, _to, data: datagrams.append(data),
    )
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    (tmp_path / "wspcfg.ini").write_text("[msexcimc]\nServerBindTcpPorts=0\nForceCredentials=1\n")
    table = WinsockPath(
        server=f"127.0.0.1:{world.port}",
        wspcfg="wspcfg.ini",
        user=SERVICE.user,
        password_file="password",
    )
    provider = WinsockProvider.from_table("lab", table, tmp_path)

    error = await world.error_of(provider)
    hops = await provider.diagnose(Endpoint("127.0.0.1", 0))

    shown = [repr(x) for x in (provider, vars(provider), proxy, SERVICE, error, hops)]
    assert not [
        text for text in (*shown, str(error), provider.url, caplog.text) if PASSWORD in text
    ]
    assert not [
        data
        for data in datagrams
        for secret in (PASSWORD.encode(), PASSWORD.encode("utf-16-le"))
        if secret in data
    ]


# The stand-in, step by step


async def test_login_must_be_whole(world: World) -> None:
    """A bind before the login's end is refused, and so is an answer without a challenge."""
    client = await world.raw(await world.proxy(accounts={"mailsvc": PASSWORD}))
    await client.greet()
    client.say(Authentication(sub_code=1, token=b"NTLMSSP\0\3\0\0\0" + bytes(52)))
    assert (await client.hear(Refusal)).operation == 1
    client.say(Authentication(sub_code=0, token=b"NTLMSSP\0\1\0\0\0" + bytes(20)))
    assert (await client.hear(Authentication)).token.startswith(b"NTLMSSP\0\2\0\0\0")
    client.say(Bind(port=0, local_port=1))

    await client.hear(Refusal)


async def test_token_counts_and_not_the_sub_code(world: World) -> None:
    """The low byte of 0x47xx is a leftover: a first message is one under any sub-code."""
    client = await world.raw(await world.proxy())
    await client.greet()
    client.say(Authentication(sub_code=0x77, token=b"NTLMSSP\0\1\0\0\0" + bytes(20)))

    assert (await client.hear(Authentication)).sub_code == Authentication.CHALLENGE


async def test_token_that_is_none_is_refused(world: World) -> None:
    """Junk in place of an NTLM message is a refusal, and the session goes on."""
    client = await world.raw(await world.proxy())
    await client.greet()
    client.say(Authentication(sub_code=0, token=b"GSSAPI"))
    assert (await client.hear(Refusal)).operation == 0

    await client.bind()


async def test_login_of_one_session_is_not_anothers(world: World) -> None:
    """Who has not logged in gains nothing from another client that has."""
    proxy = await world.proxy(accounts={"mailsvc": PASSWORD})
    bound = await world.bind(world.provider(FORCED, credentials=SERVICE))
    stranger = await world.raw(proxy)
    await stranger.greet()
    stranger.say(Bind(port=0, local_port=1, kill_old=True))

    await stranger.hear(Refusal)
    assert proxy.bound == [Address(bound.outside.host, bound.outside.port)]
