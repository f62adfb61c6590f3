"""SMTP sessions of any bytes, of every personality, on both engines."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from bindpost.server.smtp import personality
from bindpost.server.smtp.reply import MAX_LINE

from ...property.smtp_session import ENDS, LINES, Engine, Outcome, Stage
from ..grammar import Grammar
from ..target import Target, chance_of, corpus, pieces_of

REPLIES: Final = re.compile(rb"(?:(?:\d{3}-[^\r\n\0]*\r\n)*\d{3} [^\r\n\0]*\r\n)+")
OWN: Final = b"From: Mail Delivery System <postmaster@mx.test>"
BODY: Final = b"Subject: s\r\n\r\nText\r\n"
MORE: Final = [
    b"DATA\r\nx\r\n.",
    b"DATA\r\n..\r\n.\r\nx\n.\n\r.\r\n.",
    b"BDAT 3\r\nab",
    b"BDAT 9 LAST\r\nab\r\n\r\nab",
    b"Subject: x",
    b"x" * 700,
    b"x" * 5100,
    b'MAIL FROM:<"a b"@c> AUTH=<> RET=HDRS ENVID=x',
    b"RCPT TO:<@h:c@[IPv6:::1]> NOTIFY=SUCCESS ORCPT=rfc822;a+2Bb",
    b"MAIL FROM:<\xc3\xa9@b> SMTPUTF8",
    b"AUTH SCRAM-SHA-256 biwsbj1hLHI9eA==",
    b"AUTH EXTERNAL =",
]


class SmtpTarget(Target):
    """
    A session is answered in good form, and ends; both engines answer and keep the same.

    The fast engine is given it in pieces, the plain one whole.
    """

    name = "smtp"
    personalities: ClassVar = tuple(personality.names())
    hello: ClassVar = b"EHLO"

    def __init__(self) -> None:
        self._stages: dict[tuple[str, Engine], Stage] = {}

    @property
    def grammar(self) -> Grammar:
        """Lines of SMTP."""
        return Grammar(
            [*LINES, *MORE], ENDS, seeds=[path.read_bytes() for path in corpus(self.name)]
        )

    async def play(self, data: bytes) -> None:
        """Play a session on the fast engine; one in four on the plain one too, as it is slower."""
        chance = chance_of(data)
        name = chance.choice(self.personalities)
        fast = await self._play(name, "fast", pieces_of(data, chance))
        if chance.randrange(4) == 0:
            stock = await self._play(name, "stock", [data])
            assert fast.replies == stock.replies, name
            assert _told(fast) == _told(stock), name

    async def play_every_way(self, data: bytes) -> None:
        """Play a session as it was cut; and of every personality, whole and in single bytes."""
        await self.play(data)
        for name in self.personalities:
            stock = await self._play(name, "stock", [data])
            for pieces in ([data], [data[place : place + 1] for place in range(len(data))]):
                fast = await self._play(name, "fast", pieces)
                assert fast.replies == stock.replies, name
                assert _told(fast) == _told(stock), name

    async def _play(self, name: str, engine: Engine, pieces: list[bytes]) -> Outcome:
        outcome = await self._stage(name, engine).play(pieces)
        assert REPLIES.fullmatch(outcome.output), outcome.output
        assert max(map(len, outcome.output.split(b"\r\n"))) <= MAX_LINE, outcome.output
        assert outcome.left == 0
        return outcome

    async def serve_honestly(self) -> None:
        """See that both engines take a mail, and hold nothing of what came before."""
        session = self.hello + b" c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n%b.\r\nQUIT\r\n"
        engines: tuple[Engine, ...] = ("stock", "fast")
        for engine in engines:
            for name in self.personalities:
                stage = self._stage(name, engine)
                outcome = await stage.play([session % BODY])
                assert outcome.kept == [BODY], outcome
                assert outcome.output.splitlines()[-1].startswith(b"221"), outcome.output

    async def close(self) -> None:
        """End all listeners."""
        for stage in self._stages.values():
            await stage.close()

    def _stage(self, name: str, engine: Engine) -> Stage:
        if (name, engine) not in self._stages:
            self._stages[name, engine] = Stage(name, engine)
        return self._stages[name, engine]


def _told(outcome: Outcome) -> tuple[object, ...]:
    """Give what both engines tell alike: all but the ids and dates in our own notifications."""
    kept = [raw for raw in outcome.kept if not raw.startswith(OWN)]
    return kept, outcome.envelopes, outcome.facts, outcome.transcripts, outcome.counts


TARGET = SmtpTarget
