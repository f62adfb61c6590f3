"""
The messages of AUTH's mechanisms, read and made, without any I/O.

CRAM-MD5 (RFC 2195), XOAUTH2 (as Google has published it), OAUTHBEARER (RFC 7628) and EXTERNAL (RFC
4422, appendix A). aiosmtpd reads those of PLAIN and LOGIN, `scram` those of SCRAM-SHA-256.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from typing import Final, NamedTuple

MECHANISMS: Final = frozenset(
    {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER", "EXTERNAL"}
)
"""All that there are; a personality has some of them."""
XOAUTH2_REFUSAL: Final = b'{"status":"401","schemes":"bearer","scope":"mail"}'
"""What comes before Google's 535: a challenge, to which the client answers with nothing."""
OAUTHBEARER_REFUSAL: Final = b'{"status":"invalid_token","scope":"mail"}'
"""The same in OAUTHBEARER (RFC 7628, 3.2.2); there the client's answer is one ^A."""

_CRAM: Final = re.compile(rb"(.+) ([0-9a-f]{32})", re.DOTALL)
_XOAUTH2: Final = re.compile(rb"user=([^\x01]*)\x01auth=Bearer +([!-~]+)\x01\x01", re.IGNORECASE)
_OAUTHBEARER: Final = re.compile(
    rb"[ny],(?:a=([^,\0]+))?,\x01((?:[A-Za-z]+=[\t\n\r -~]*\x01)+)\x01"
)
"""The GS2 header, then pairs, each with a ^A behind it (RFC 7628, 3.1)."""
_BEARER: Final = re.compile(rb"Bearer +([!-~]+)", re.IGNORECASE)


class MalformedResponseError(Exception):
    """A client's response is not what its mechanism asks for."""


class CramResponse(NamedTuple):
    """A name, and the digest that shows that the client knows its password."""

    name: str
    digest: bytes


class Bearer(NamedTuple):
    """A name, and the token that shall open it."""

    name: str
    token: bytes


def cram_challenge(hostname: str) -> bytes:
    """Make a challenge, in the form of a message id that is new each time (RFC 2195, 2.)."""
    return f"<{secrets.randbits(64)}.{int(time.time())}@{hostname}>".encode()


def cram_digest(password: bytes, challenge: bytes) -> bytes:
    """Give the digest of a challenge under a password, as the client must give it."""
    return hmac.digest(password, challenge, "md5").hex().encode()


def read_cram(response: bytes) -> CramResponse:
    """Read `NAME DIGEST`; a name may have blanks. Raises `MalformedResponseError`."""
    match = _CRAM.fullmatch(response)
    if match is None:
        raise MalformedResponseError
    return CramResponse(_text(match[1]), match[2])


def read_xoauth2(response: bytes) -> Bearer:
    """Read `user=NAME^Aauth=Bearer TOKEN^A^A`. Raises `MalformedResponseError`."""
    match = _XOAUTH2.fullmatch(response)
    if match is None:
        raise MalformedResponseError
    return Bearer(_text(match[1]), match[2])


def read_oauthbearer(response: bytes) -> Bearer:
    """
    Read `n,a=NAME,^Aauth=Bearer TOKEN^A^A`; without `a=` the name is empty.

    Pairs beside `auth` (host, port) say nothing here. Raises `MalformedResponseError`.
    """
    match = _OAUTHBEARER.fullmatch(response)
    if match is None:
        raise MalformedResponseError
    pairs = dict(pair.split(b"=", 1) for pair in match[2][:-1].split(b"\x01"))
    token = _BEARER.fullmatch(pairs.get(b"auth", b""))
    if token is None:
        raise MalformedResponseError
    name = (match[1] or b"").replace(b"=2C", b",").replace(b"=3D", b"=")  # RFC 5801, section 4
    return Bearer(_text(name), token[1])


def read_external(response: bytes) -> str:
    """Read the name to log in as, empty for the certificate's. Raises `MalformedResponseError`."""
    if b"\0" in response:
        raise MalformedResponseError
    return _text(response)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
