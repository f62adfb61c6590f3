"""
The stand-in server's half of an NTLM login: it challenges, and checks NTLMv2 answers.

pyspnego's own half reads its accounts from a file that an environment variable names, so this is
ours: the three messages of MS-NLMP 2.2.1 as far as they are needed. LM and NTLMv1 answers, which
clients of 1997 gave, are not taken.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from .md4 import md4

SIGNATURE: Final = b"NTLMSSP\0"
NEGOTIATE: Final = 1
AUTHENTICATE: Final = 3
SHORTEST_ANSWER: Final = 44
"""Bytes of an NTLMv2 answer at least: 16 of proof, 28 of client challenge (MS-NLMP 2.2.2.7)."""
CHALLENGE_LENGTH: Final = 303
"""
Zeros fill a challenge up to this, because Wireshark 4.0 reads 255 bytes from byte 220 of 0x4714.
"""
_NAME: Final = "PROXY"
_NB_COMPUTER_NAME, _NB_DOMAIN_NAME, _END_OF_LIST = 1, 2, 0


class Flags(IntFlag):
    """NEGOTIATE flags, MS-NLMP 2.2.2.5."""

    UNICODE = 0x00000001
    OEM = 0x00000002
    REQUEST_TARGET = 0x00000004
    NTLM = 0x00000200
    ALWAYS_SIGN = 0x00008000
    TARGET_TYPE_SERVER = 0x00020000
    EXTENDED_SESSION_SECURITY = 0x00080000
    TARGET_INFO = 0x00800000


_OURS: Final = (
    Flags.REQUEST_TARGET
    | Flags.NTLM
    | Flags.ALWAYS_SIGN
    | Flags.TARGET_TYPE_SERVER
    | Flags.EXTENDED_SESSION_SECURITY
    | Flags.TARGET_INFO
)


class TokenError(ValueError):
    """Bytes that are not the NTLM message that was due."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an AUTHENTICATE_MESSAGE says: who, and the answer to the challenge."""

    domain: str
    user: str
    response: bytes


class Accounts:
    """Who may log in: `USER`, in whatever domain, or `DOMAIN\\USER`, with passwords; case-blind."""

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._passwords = {name.casefold(): password for name, password in passwords.items()}

    def __bool__(self) -> bool:
        return bool(self._passwords)

    def check(self, answer: Answer, challenge: bytes) -> bool:
        """Say whether it is the right answer to this challenge, from a known account."""
        for name in (f"{answer.domain}\\{answer.user}", answer.user):
            password = self._passwords.get(name.casefold())
            if password is not None:
                return _is_right(answer, challenge, password)
        return False


class LoginAcceptor:
    """
    The login of one client: `challenge`, then `accept`, once for each challenge.

    Without accounts there is nothing to check, and everybody is let in.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._challenge = b""

    def challenge(self, token: bytes) -> bytes:
        """Give the CHALLENGE_MESSAGE for a NEGOTIATE_MESSAGE; raises `TokenError`."""
        if kind_of(token) != NEGOTIATE or len(token) < 16:
            raise TokenError("no NEGOTIATE_MESSAGE")
        offered = _u32(token, 12)
        encoding = Flags.UNICODE if offered & Flags.UNICODE else Flags.OEM
        self._challenge = secrets.token_bytes(8)
        name = _NAME.encode("utf-16-le" if encoding is Flags.UNICODE else "ascii")
        info = _target_info()
        header = SIGNATURE + struct.pack(
            "<IHHII8s8xHHI",
            2,
            len(name),
            len(name),
            48,
            _OURS | encoding,
            self._challenge,
            len(info),
            len(info),
            48 + len(name),
        )
        return (header + name + info).ljust(CHALLENGE_LENGTH, b"\0")

    def accept(self, token: bytes) -> str:
        """Give the account that an AUTHENTICATE_MESSAGE logs in to; raises `TokenError` if none."""
        answer = parse_answer(token)
        challenge, self._challenge = self._challenge, b""
        if not challenge:
            raise TokenError("no challenge was sent before it")
        if self._accounts and not self._accounts.check(answer, challenge):
            raise TokenError("wrong password, or no such account")
        return f"{answer.domain}\\{answer.user}" if answer.domain else answer.user


def kind_of(token: bytes) -> int:
    """Give the type of an NTLM message, 0 for what is none."""
    is_message = token.startswith(SIGNATURE) and len(token) >= 12
    return _u32(token, 8) if is_message else 0


def parse_answer(token: bytes) -> Answer:
    """Read an AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3); raises `TokenError`."""
    if kind_of(token) != AUTHENTICATE or len(token) < 64:
        raise TokenError("no AUTHENTICATE_MESSAGE of NTLMv2's time")
    encoding = "utf-16-le" if _u32(token, 60) & Flags.UNICODE else "latin-1"
    try:
        domain, user = (_field(token, at).decode(encoding) for at in (28, 36))
    except UnicodeDecodeError as error:
        raise TokenError(f"a name in it is none: {error.reason}") from None
    return Answer(domain, user, _field(token, 20))


def _is_right(answer: Answer, challenge: bytes, password: str) -> bool:
    """Compute NTLMv2's proof (MS-NLMP 3.3.2), and compare."""
    if len(answer.response) < SHORTEST_ANSWER:
        return False
    identity = (answer.user.upper() + answer.domain).encode("utf-16-le", "surrogatepass")
    key = _hmac_md5(md4(password.encode("utf-16-le", "surrogatepass")), identity)
    proof, rest = answer.response[:16], answer.response[16:]
    return hmac.compare_digest(proof, _hmac_md5(key, challenge + rest))


def _hmac_md5(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.md5).digest()


def _target_info() -> bytes:
    """Give the AV pairs of the challenge (MS-NLMP 2.2.2.1)."""
    name = _NAME.encode("utf-16-le")
    pairs = ((_NB_DOMAIN_NAME, name), (_NB_COMPUTER_NAME, name), (_END_OF_LIST, b""))
    return b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in pairs)


def _field(token: bytes, at: int) -> bytes:
    """Give what a length, a greatest length and an offset lead to; raises `TokenError`."""
    length, _, offset = struct.unpack_from("<HHI", token, at)
    value = token[offset : offset + length]
    if len(value) != length:
        raise TokenError("a field of it leads beyond its end")
    return value


def _u32(token: bytes, at: int) -> int:
    value: int = struct.unpack_from("<I", token, at)[0]
    return value
