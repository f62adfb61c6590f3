"""The clients' halves of AUTH's mechanisms, each as one dialogue with a peer."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import scramp  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from tests.wire.conftest import Peer

Login = Callable[["Peer", str, str], Awaitable[bytes]]
"""Logs a name in with a password or token; gives the last reply."""


def b64(message: str | bytes) -> str:
    """Give a message as it is sent."""
    return b64encode(message if isinstance(message, bytes) else message.encode()).decode()


def challenge_of(reply: bytes) -> bytes:
    """Give what a 334 asks."""
    code, _, text = reply.rstrip(b"\r\n").partition(b" ")
    assert code == b"334", reply
    return b64decode(text)


def xoauth2(name: str, token: str) -> str:
    """Give the response of XOAUTH2."""
    return b64(f"user={name}\x01auth=Bearer {token}\x01\x01")


def oauthbearer(name: str, token: str) -> str:
    """Give the response of OAUTHBEARER."""
    return b64(f"n,a={name},\x01host=mx.test\x01port=25\x01auth=Bearer {token}\x01\x01")


async def _plain(peer: Peer, name: str, password: str) -> bytes:
    return await peer.say(f"AUTH PLAIN {b64(f'{chr(0)}{name}{chr(0)}{password}')}")


async def _login(peer: Peer, name: str, password: str) -> bytes:
    assert challenge_of(await peer.say("AUTH LOGIN")) == b"Username:"
    assert challenge_of(await peer.say(b64(name))) == b"Password:"
    return await peer.say(b64(password))


async def _cram_md5(peer: Peer, name: str, password: str) -> bytes:
    challenge = challenge_of(await peer.say("AUTH CRAM-MD5"))
    digest = hmac.digest(password.encode(), challenge, "md5").hex()
    return await peer.say(b64(f"{name} {digest}"))


async def _scram(peer: Peer, name: str, password: str) -> bytes:
    client = scramp.ScramClient(["SCRAM-SHA-256"], name, password)
    reply = await peer.say(f"AUTH SCRAM-SHA-256 {b64(client.get_client_first())}")
    client.set_server_first(challenge_of(reply).decode())
    reply = await peer.say(b64(client.get_client_final()))
    if not reply.startswith(b"334"):
        return reply
    client.set_server_final(challenge_of(reply).decode())
    return await peer.say("")


async def _xoauth2(peer: Peer, name: str, token: str) -> bytes:
    reply = await peer.say(f"AUTH XOAUTH2 {xoauth2(name, token)}")
    if not reply.startswith(b"334"):
        return reply
    assert b'"status":"401"' in challenge_of(reply)
    return await peer.say("")


async def _oauthbearer(peer: Peer, name: str, token: str) -> bytes:
    assert challenge_of(await peer.say("AUTH OAUTHBEARER")) == b""
    reply = await peer.say(oauthbearer(name, token))
    if not reply.startswith(b"334"):
        return reply
    assert b'"status":"invalid_token"' in challenge_of(reply)
    return await peer.say("AQ==")


LOGINS: dict[str, Login] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "SCRAM-SHA-256": _scram,
    "XOAUTH2": _xoauth2,
    "OAUTHBEARER": _oauthbearer,
}
