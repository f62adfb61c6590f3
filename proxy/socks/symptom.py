"""What was seen of a SOCKS bind that failed: a value, without any judgement."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self

from .. import wsa

HOPS: Final = ("resolve", "connect", "greeting", "auth", "request", "bind", "accept")
"""The steps of a bind, in order. SOCKS4 has no greeting and no auth."""
REACH: Final = "reach"
"""The step of a self-test that comes after them: CONNECT to what was bound."""


class Sign(StrEnum):
    """How a step ended that did not go well."""

    UNRESOLVED = "the name does not resolve"
    OS_ERROR = "an error of the operating system"
    TIMEOUT = "no answer in time"
    CLOSED = "closed"
    RESET = "reset"
    INVALID = "bytes that are no SOCKS"
    LOGIN_WANTED = "0xFF, without a login"
    NO_METHOD = "0xFF, with a login"
    LOGIN_REFUSED = "a status other than 0"
    REPLY = "a reply code"
    OTHER_PORT = "success, with another port"
    UNANNOUNCED = "no reply, though a client connected"


class Service(StrEnum):
    """What speaks on a port, told from the first bytes that it sends."""

    HTTP = "HTTP"
    TLS = "TLS"
    SSH = "SSH"
    SMTP = "SMTP"
    FTP = "FTP"
    SOCKS4 = "SOCKS4"
    SOCKS5 = "SOCKS5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """
    One failed attempt: the hop that it failed at, how, and what is known beside.

    `target` is the proxy, `code` the SOCKS reply code of a REPLY or the Winsock code of an error of
    the operating system, `heard` what the proxy had sent, `named` what it is if that was found out,
    `wanted` and `bound` the ports of OTHER_PORT; `wanted` is also where a self-test connects.
    """

    version: int
    hop: str
    sign: Sign
    target: str
    code: int | None = None
    text: str = ""
    heard: bytes = b""
    named: Service | None = None
    wanted: int = 0
    bound: int = 0

    @property
    def may_be_probed(self) -> bool:
        """Whether a look at what the proxy says to others can tell more than the attempt did."""
        codeless = (Sign.TIMEOUT, Sign.CLOSED, Sign.RESET, Sign.INVALID)
        first = "greeting" if self.version == 5 else "request"
        return self.named is None and self.sign in codeless and self.hop == first

    def naming(self, service: Service | None) -> Self:
        """Give the same with the name of the service."""
        return replace(self, named=service)


class Failure(Exception):
    """An attempt that failed with a symptom."""

    def __init__(self, symptom: Symptom) -> None:
        self.symptom = symptom
        super().__init__(symptom)


def sign_of(error: OSError) -> tuple[Sign, int | None]:
    """Give the sign of an operating system's error, and its Winsock code where that tells more."""
    match error:
        case socket.gaierror():
            return Sign.UNRESOLVED, wsa.code_of(error)
        case TimeoutError():
            return Sign.TIMEOUT, None
        case ConnectionResetError() | ConnectionAbortedError() | BrokenPipeError():
            return Sign.RESET, None
    return Sign.OS_ERROR, wsa.code_of(error)
