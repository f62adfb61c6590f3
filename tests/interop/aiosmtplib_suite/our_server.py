"""
Has aiosmtplib's own tests run against bindpost's sessions, on the engine that ENGINE names.

Those tests make a server of aiosmtpd's SMTP class: a subclass of it, with a handler that collects
mail and commands. Whoever imports that class here gets ours, which takes the same arguments, speaks
in aiosmtpd's words (`aiosmtpd.toml`), and tells the same handler. Without ENGINE all stays as it
is, for a baseline.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path
from typing import Any, Final

import aiosmtpd.smtp
import msgspec

from bindpost.config.model import Limits, Settings
from bindpost.server.faults import Faults
from bindpost.server.faults.bounces import Bounces
from bindpost.server.message.model import Message, Transcript
from bindpost.server.smtp import personality
from bindpost.server.smtp.accounts import Accounts
from bindpost.server.smtp.engine import ReceivingBuffer
from bindpost.server.smtp.fast import LANE, EveryCommand, FastProtocol
from bindpost.server.smtp.policy import Policy
from bindpost.server.smtp.prepared import prepare
from bindpost.server.smtp.protocol import SmtpProtocol, Surroundings
from bindpost.server.smtp.rules import Rules
from bindpost.server.smtp.sessions import Sessions
from bindpost.server.smtp.sweeper import Sweeper
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import MessageRow

WORDS: Final = Path(__file__).with_name("aiosmtpd.toml")
USERS: Final = {"test": b"test"}
"""Whom the suite's own callback lets in."""


class TellingStore(MemoryStore):  # type: ignore[misc]  # final for users; this is a fake of it
    """A store that hands each message to the suite's handler, as aiosmtpd does."""

    def __init__(self, handler: Any) -> None:
        super().__init__()
        self._handler = handler

    async def add(
        self, message: Message, transcript: Transcript, *, mailbox: str | None = None
    ) -> MessageRow:
        """Keep a message, and hand it over."""
        envelope = aiosmtpd.smtp.Envelope()
        envelope.mail_from = message.envelope.reverse_path
        envelope.rcpt_tos = [one.address for one in message.envelope.recipients]
        envelope.content = message.raw
        session: Any = aiosmtpd.smtp.Session(asyncio.get_running_loop())
        session.peer = message.session.peer
        self._handler.handle_message(self._handler.prepare_message(session, envelope))
        return await super().add(message, transcript, mailbox=mailbox)


def _words(*, smtputf8: bool, eight_bit: bool) -> personality.Personality:
    """Give the personality, without what a test does not want."""
    words = personality.load(str(WORDS))
    hidden = [] if smtputf8 else ["SMTPUTF8"]
    hidden += [] if eight_bit else ["8BITMIME", "BODY"]
    return msgspec.structs.replace(
        words,
        smtputf8=smtputf8,
        extensions=tuple(line for line in words.extensions if line not in hidden),
        mail_parameters=tuple(one for one in words.mail_parameters if one not in hidden),
    )


def _around(
    handler: Any,
    *,
    hostname: str = "localhost",
    enable_SMTPUTF8: bool = False,
    decode_data: bool = False,
    tls_context: ssl.SSLContext | None = None,
    **_: Any,
) -> Surroundings:
    """Make of aiosmtpd's arguments what a session of ours has around it."""
    store = TellingStore(handler)
    return Surroundings(
        listener="127.0.0.1:0",
        via="direct:",
        rules=Rules(
            personality=_words(smtputf8=enable_SMTPUTF8, eight_bit=not decode_data),
            policy=Policy.from_settings(Settings().ims),
            limits=Limits(),
            hostname=hostname,
            tls_available=tls_context is not None,
        ),
        store=store,
        sessions=Sessions(100),
        faults=Faults(),
        bounces=Bounces(store, hostname=hostname),
        tls_context=tls_context,
        accounts=Accounts(USERS),
    )


class Telling(SmtpProtocol):
    """A session that tells the suite's handler of each command, and takes its words with LF."""

    def _note(self, line: bytes, text: str) -> None:
        super()._note(line, text)
        verb, _, rest = text.partition(" ")
        if verb.upper() in ("MAIL", "RCPT"):
            path, *options = rest.partition(":")[2].split()
            self.event_handler.record_command(
                verb.upper(), path.strip("<>"), [option.upper() for option in options]
            )
        else:
            self.event_handler.record_command(verb.upper(), rest)

    async def push(self, status: str | bytes | None) -> None:
        """Say what a test's own command says; its lines end as it likes."""
        text = status.decode() if isinstance(status, bytes) else status
        await super().push(text and "\r\n".join(text.splitlines()))


class OurStock(Telling):
    """A session on the plain engine."""

    def __init__(self, handler: Any, **options: Any) -> None:
        super().__init__(_around(handler, **options), loop=asyncio.get_running_loop())
        self.event_handler = handler


class OurFast(Telling, FastProtocol):
    """A session on the fast engine, of a class that is prepared for it alone."""

    def __new__(cls, handler: Any, **options: Any) -> OurFast:
        """Prepare the class, and give the one session of it."""
        around, loop = _around(handler, **options), asyncio.get_running_loop()
        kind = prepare(
            cls,
            SmtpProtocol(around, loop=loop),
            command_size_limits=EveryCommand(Limits().command_line),
            receiving=ReceivingBuffer(),
            sweeper=Sweeper(loop, 300),
            event_handler=handler,
        )
        kind.__init__ = lambda *_, **__: None  # type: ignore[method-assign]  # it is called again
        return object.__new__(kind)

    def _take_plain(self) -> bool:
        """Leave the lane to itself where a test has a command of its own in it."""
        kinds = type(self).__mro__
        mocked = kinds[: kinds.index(OurFast)]
        if any(f"smtp_{verb}" in vars(kind) for kind in mocked for verb in LANE):
            return False
        return super()._take_plain()


OURS: Final[dict[str, type[SmtpProtocol]]] = {"stock": OurStock, "fast": OurFast}

if engine := os.environ.get("ENGINE"):  # aiosmtpd's other modules are imported after this
    aiosmtpd.smtp.SMTP = OURS[engine]  # type: ignore[misc]  # the point of it
