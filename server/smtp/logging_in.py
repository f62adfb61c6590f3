"""
Logging in: AUTH's mechanisms, as aiosmtpd calls them.

aiosmtpd's `smtp_AUTH` looks for a method `auth_` with the mechanism's name, two underlines for a
dash, and says what comes of it. What the mechanisms' messages mean is in `sasl` and `scram`, who
may log in in `accounts`.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Final

from aiosmtpd.smtp import MISSING, AuthResult, LoginPassword

from bindpost import events

from . import sasl
from .faulty_tls import FaultyTls

_TOLD: Final = AuthResult(success=False, handled=True)
"""The client has been told already."""
_UNREADABLE: Final = "501 5.5.2 Can't split auth value"
_TOO_MUCH: Final = "501 Too many values"
"""Two of aiosmtpd's sentences, which `wording` knows."""


class LoggingIn(FaultyTls):
    """The part of a session that logs its client in."""

    async def auth_PLAIN(self, _: object, args: list[str]) -> AuthResult:
        """Log in by RFC 4616."""
        return await self._judge("PLAIN", await super().auth_PLAIN(_, args))

    async def auth_LOGIN(self, _: object, args: list[str]) -> AuthResult:
        """Log in by Microsoft's older mechanism."""
        return await self._judge("LOGIN", await super().auth_LOGIN(_, args))

    async def auth_CRAM__MD5(self, _: object, args: list[str]) -> AuthResult:
        """Log in by RFC 2195; here the server begins, so there is no initial response."""
        if len(args) > 1:
            return await self._answered(_TOO_MUCH)
        challenge = sasl.cram_challenge(self._around.rules.hostname)
        answer = await self._ask(challenge)
        if answer is None:
            return _TOLD
        try:
            name, digest = sasl.read_cram(answer)
        except sasl.MalformedResponseError:
            return await self._answered(_UNREADABLE)
        good = self._around.accounts.accepts_digest(name, challenge, digest)
        return self._judged("CRAM-MD5", name, good)

    async def auth_SCRAM__SHA__256(self, _: object, args: list[str]) -> AuthResult:
        """Log in by RFC 7677; the server's proof comes in a challenge (RFC 4954, section 4)."""
        from . import scram  # only a listener with users offers it, and it takes 70 ms

        exchange = scram.ScramExchange(self._around.accounts.password)
        try:
            first = await self._first(args)
            final = None if first is None else await self._ask(exchange.challenge(first))
            if final is None:
                return _TOLD
            if await self._ask(exchange.prove(final)) is None:
                return _TOLD
        except sasl.MalformedResponseError:
            return await self._answered(_UNREADABLE)
        except scram.WrongProofError:
            return self._judged("SCRAM-SHA-256", exchange.name, False)
        return self._judged("SCRAM-SHA-256", exchange.name, True)

    async def auth_XOAUTH2(self, _: object, args: list[str]) -> AuthResult:
        """Log in as Google has published it."""
        return await self._bear("XOAUTH2", args, sasl.read_xoauth2, sasl.XOAUTH2_REFUSAL)

    async def auth_OAUTHBEARER(self, _: object, args: list[str]) -> AuthResult:
        """Log in by RFC 7628."""
        return await self._bear(
            "OAUTHBEARER", args, sasl.read_oauthbearer, sasl.OAUTHBEARER_REFUSAL
        )

    async def auth_EXTERNAL(self, _: object, args: list[str]) -> AuthResult:
        """Log in by the client's certificate, which TLS has verified (RFC 4422, appendix A)."""
        response = await self._first(args)
        if response is None:
            return _TOLD
        try:
            asked = sasl.read_external(response)
        except sasl.MalformedResponseError:
            return await self._answered(_UNREADABLE)
        certificate = self.conversation.certificate
        name = certificate.name if certificate is not None else ""
        is_own = asked.casefold() in ("", name.casefold())
        good = bool(name) and is_own and self._around.accounts.knows(name)
        return self._judged("EXTERNAL", name if is_own else asked, good)

    async def _bear(
        self,
        mechanism: str,
        args: list[str],
        read: Callable[[bytes], sasl.Bearer],
        refusal: bytes,
    ) -> AuthResult:
        """Log in by a token; a wrong one gets a challenge that tells why, and then 535."""
        response = await self._first(args)
        if response is None:
            return _TOLD
        try:
            name, token = read(response)
        except sasl.MalformedResponseError:
            return await self._answered(_UNREADABLE)
        good = await self._around.accounts.accepts(name, token)
        if not good and await self._ask(refusal) is None:
            self._tell_refused(mechanism, name)
            return _TOLD
        return self._judged(mechanism, name, good)

    # What the client says

    async def _first(self, args: list[str]) -> bytes | None:
        """Give the initial response, which is asked for if need be; None as in `_ask`."""
        if len(args) == 1:
            return await self._ask(b"")
        if args[1] == "=":  # an empty one (RFC 4954, section 4)
            return b""
        try:
            return b64decode(args[1].encode(), validate=True)
        except ValueError:
            await self.push("501 5.5.2 Can't decode base64")
            return None

    async def _ask(self, challenge: bytes) -> bytes | None:
        """Give the answer to a challenge; None if there is none, and the client was told so."""
        answer = await self.challenge_auth(challenge)
        return None if answer is MISSING else answer

    async def _answered(self, sentence: str) -> AuthResult:
        await self.push(sentence)
        return _TOLD

    # What comes of it

    def _authenticate(self, mechanism: str, auth_data: object) -> AuthResult:
        """Take name and password from aiosmtpd's mechanisms; `_judge` waits for a hash."""
        return AuthResult(success=True, auth_data=auth_data)

    async def _judge(self, mechanism: str, said: AuthResult) -> AuthResult:
        """Judge what a mechanism of aiosmtpd's has heard; what it could not hear stays as it is."""
        if not said.success:
            return said
        login = said.auth_data
        assert isinstance(login, LoginPassword)
        name = login.login.decode("utf-8", "replace")
        return self._judged(
            mechanism, name, await self._around.accounts.accepts(name, login.password)
        )

    def _judged(self, mechanism: str, name: str, good: bool) -> AuthResult:
        """Log in, or refuse and tell of it; a fault on purpose may refuse, too."""
        if self._around.faults.is_on and (refusal := self._strike_login(name)) is not None:
            return AuthResult(success=False, handled=False, message=refusal.text)
        if good:
            self.conversation.login = name
            self._expects_responses = False
            reply = self.conversation.say("auth_ok", mechanism=mechanism)
            return AuthResult(success=True, message=reply.text)
        self._tell_refused(mechanism, name)
        reply = self.conversation.say("auth_failed")
        return AuthResult(success=False, handled=False, message=reply.text)

    def _tell_refused(self, mechanism: str, name: str) -> None:
        self._report(
            events.AUTH_FAILED,
            mechanism=mechanism,
            host=self.conversation.peer_host or "localhost",
            user=name,
            error="Logon failure: unknown user name or bad password.",
        )
