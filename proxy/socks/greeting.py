"""Greeting and login without a request, which PySocks can't do; only for diagnosis."""

from __future__ import annotations

import asyncio

from .address import SocksProxy
from .naming import HEARD, V4_OPENING, name_of
from .symptom import Failure, Service, Sign, Symptom, sign_of


class Greeting:
    """
    The talk with a proxy up to where a request would come.

    SOCKS4 has no greeting; there the proxy is asked to connect to 0.0.0.0:0, which it must refuse.
    Each answer has `seconds` to come. Raises `Failure`.
    """

    def __init__(
        self,
        proxy: SocksProxy,
        target: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        seconds: float,
    ) -> None:
        self._proxy = proxy
        self._target = target
        self._reader = reader
        self._writer = writer
        self._seconds = seconds
        self._hop = "greeting" if proxy.version == 5 else "request"

    async def greet(self) -> tuple[bool, str]:
        """Greet; says whether a login comes next, and what was answered."""
        if self._proxy.version == 4:
            return await self._greet4()
        answer = await self._ask(b"\x05\x02\x00\x02" if self._proxy.user else b"\x05\x01\x00")
        if answer[0] != 5:
            raise self._failure(Sign.INVALID, answer)
        self._hop = "auth"
        match answer[1], self._proxy.user:
            case 0, _:
                return False, "SOCKS5, without a login"
            case 2, user if user:
                return True, "SOCKS5, with user name and password"
            case ((2 | 0xFF), ""):
                raise self._failure(Sign.LOGIN_WANTED, answer)
            case 0xFF, _:
                raise self._failure(Sign.NO_METHOD, answer)
        raise self._failure(Sign.INVALID, answer)

    async def log_in(self) -> tuple[None, str]:
        """Send user name and password (RFC 1929)."""
        user, password = self._proxy.user.encode(), self._proxy.password.encode()
        answer = await self._ask(
            b"\x01" + bytes((len(user),)) + user + bytes((len(password),)) + password
        )
        if answer[0] != 1:
            raise self._failure(Sign.INVALID, answer)
        if answer[1] != 0:
            raise self._failure(Sign.LOGIN_REFUSED, answer, code=answer[1])
        return None, f"logged in as {self._proxy.user}"

    async def _greet4(self) -> tuple[bool, str]:
        answer = await self._ask(V4_OPENING)
        if name_of(answer) is not Service.SOCKS4:
            raise self._failure(Sign.INVALID, answer)
        return False, "SOCKS4"

    async def _ask(self, data: bytes) -> bytes:
        """Send something and give the answer, two bytes of it at least."""
        heard = b""
        try:
            self._writer.write(data)
            async with asyncio.timeout(self._seconds):
                while len(heard) < 2:
                    piece = await self._reader.read(HEARD)
                    if not piece:
                        raise self._failure(Sign.CLOSED, heard)
                    heard += piece
        except OSError as error:
            sign, code = sign_of(error)
            raise self._failure(sign, heard, code=code, text=error.strerror or "") from None
        return heard

    def _failure(
        self, sign: Sign, heard: bytes, *, code: int | None = None, text: str = ""
    ) -> Failure:
        return Failure(
            Symptom(
                version=self._proxy.version,
                hop=self._hop,
                sign=sign,
                target=self._target,
                code=code,
                text=text,
                heard=heard,
                named=name_of(heard),
            )
        )
