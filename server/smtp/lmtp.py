"""LMTP: the session of SMTP, but with an answer for each recipient of a message (RFC 2033)."""

from __future__ import annotations

import msgspec

from bindpost.config.fault import Fault

from ..message.model import Recipient
from .damage import is_carried_out, is_the_end
from .protocol import SmtpProtocol, verb
from .reply import Reply


class LmtpProtocol(SmtpProtocol):
    """One LMTP session on a transport of any kind."""

    _owed = 0
    """Answers that are to follow the next one before the command is over."""

    smtp_HELO = verb("helo")
    smtp_EHLO = verb("ehlo")
    smtp_LHLO = verb("lhlo", "EHLO")

    async def _end_data(self, body: bytes | None) -> None:
        """
        Keep a message, then answer for each recipient in the order of RCPT (RFC 2033, 4.2).

        Each is struck by faults for itself. The message is kept once, for those whom none refuses
        it; where the session ends, neither for that recipient nor for those behind.
        """
        self._leave_data()
        transaction = self.conversation.transaction
        assert transaction is not None
        struck = self._strike_each(transaction.recipients, body)
        served = zip(transaction.recipients, struck, strict=False)
        takers = tuple(one for one, faults in served if is_carried_out(faults))
        whole = self.conversation.end_transaction()
        envelope = msgspec.structs.replace(whole, recipients=takers)
        kept: Reply | None = None

        async def keep_once() -> Reply:
            nonlocal kept
            if kept is None:
                kept = await self._keep(envelope, body)
            return kept

        self._owed = len(struck) - 1
        for faults in struck:
            await self._say_under(faults, keep_once)
        if kept is None or not kept.is_positive:
            self._around.sessions.activity.reject()

    def _strike_each(
        self, recipients: list[Recipient], body: bytes | None
    ) -> list[tuple[Fault, ...]]:
        """Ask what strikes each answer, up to one by which the session ends."""
        if not self._around.faults.is_on:
            return [()] * len(recipients)
        struck = []
        judged: dict[object, bool] = {}
        for one in recipients:
            to = (one.address,)
            struck.append(self._strike("end-of-data", recipients=to, raw=body, judged=judged))
            if is_the_end(struck[-1]):
                break
        return struck

    def _replied(self, reply: Reply) -> None:
        if self._owed:
            self._owed -= 1
        else:
            super()._replied(reply)
