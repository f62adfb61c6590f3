"""Session: what a POP3 client says, and what it is answered (RFC 1939, 2449, 2595)."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, final

from bindpost import __version__, events
from bindpost.errors import StoreError
from bindpost.log import get_logger

from ..logins import Users, accepts
from ..mailboxes import Keys
from ..store.mailbox import MailboxView
from ..store.store import MessageStore, SharedStore
from . import body
from .grammar import Command, CommandError, number
from .line import Line, LineError
from .maildrop import Entry, Mailbox, Maildrop

_LOG: Final = get_logger("bindpost.pop3")
BAD_COMMANDS: Final = 20
"""Commands refused one after the other before the session is ended."""
BAD_LOGINS: Final = 3
"""Logins refused before the session is ended."""

_Handler = Callable[[Command], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """
    What the sessions have around them.

    `users` None = every login is good, unless mailboxes have `keys`: then only those are.
    """

    store: SharedStore
    hostname: str
    listener: str
    users: Users | None = None
    keys: Keys = field(default_factory=Keys)
    tls_context: ssl.SSLContext | None = None
    """For STLS; None where it isn't offered."""


class _Goodbye(Exception):
    """The session ends."""


@final
class Session:
    """
    One session, from the greeting to the end.

    Nothing is deleted but by QUIT: a session that ends otherwise changes nothing (RFC 1939, 6).
    """

    def __init__(self, line: Line, around: Surroundings) -> None:
        self._line = line
        self._around = around
        self._name: str | None = None
        self._mailbox: Mailbox | str = Mailbox()
        self._store: MessageStore = around.store
        self._maildrop: Maildrop | None = None
        self._bad_commands = 0
        self._bad_logins = 0
        self._retrieved = 0
        self._deleted = 0
        self.in_command = True

    async def run(self) -> None:
        """Talk to the client until one of both ends it."""
        try:
            await self._say(f"+OK {self._around.hostname} POP3 server ready")
            while True:
                self.in_command = False
                line = await self._line.read()
                self.in_command = True
                if not line:
                    return
                await self._answer(line)
        except _Goodbye:
            pass
        except LineError as error:
            if str(error):
                await self.refuse(str(error))
        finally:
            if self._maildrop is not None:
                _LOG.info(
                    events.POP3_SESSION,
                    mailbox=str(self._mailbox),
                    retrieved=self._retrieved,
                    deleted=self._deleted,
                    **self._names,
                )

    async def refuse(self, reason: str) -> None:
        """Tell a client that it can't be served."""
        try:
            await self._say(f"-ERR {reason}")
        except LineError:
            return

    async def _answer(self, line: bytes) -> None:
        try:
            command = Command.parse(line)
            await self._handler(command)(command)
        except CommandError as error:
            self._bad_commands += 1
            await self._say(f"-ERR {error}")
            if self._bad_commands >= BAD_COMMANDS:
                raise _Goodbye from None
        except StoreError as error:
            await self._say(f"-ERR [SYS/TEMP] the message store failed: {_one_line(error)}")
        else:
            self._bad_commands = 0

    def _handler(self, command: Command) -> _Handler:
        everywhere: dict[str, _Handler] = {"CAPA": self._capa, "QUIT": self._quit}
        here = self._before_login if self._maildrop is None else self._after_login
        there = self._after_login if self._maildrop is None else self._before_login
        handler = (everywhere | here).get(command.verb)
        if handler is not None:
            return handler
        if command.verb in there:
            when = "after" if self._maildrop is None else "before"
            raise CommandError(f"{command.verb} is for {when} the login")
        raise CommandError("there is no such command")

    @property
    def _before_login(self) -> dict[str, _Handler]:
        return {"USER": self._user, "PASS": self._pass, "STLS": self._stls}

    @property
    def _after_login(self) -> dict[str, _Handler]:
        return {
            "STAT": self._stat,
            "LIST": self._list,
            "UIDL": self._uidl,
            "RETR": self._retr,
            "TOP": self._top,
            "DELE": self._dele,
            "RSET": self._rset,
            "NOOP": self._noop,
        }

    # Anywhere

    async def _capa(self, command: Command) -> None:
        """List what is offered (RFC 2449, section 5)."""
        command.words(0, 0)
        offered = ["TOP", "UIDL", "USER", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"]
        if self._offers_tls:
            offered.append("STLS")
        offered.append(f"IMPLEMENTATION bindpost-{__version__}")
        await self._list_of(offered, "capabilities follow")

    async def _quit(self, command: Command) -> None:
        """End the session; only now what was marked is deleted."""
        command.words(0, 0)
        doomed = self._maildrop.doomed if self._maildrop is not None else []
        if doomed:
            try:
                self._deleted = await self._store.delete(doomed)
            except StoreError as error:
                await self._say(f"-ERR some deleted messages not removed: {_one_line(error)}")
                raise _Goodbye from None
        await self._say("+OK goodbye")
        raise _Goodbye

    # Before the login

    async def _user(self, command: Command) -> None:
        name = command.text().strip()
        if not name:
            raise CommandError("USER takes a name")
        self._name = name
        await self._say("+OK and the password?")

    async def _pass(self, command: Command) -> None:
        if self._name is None:
            raise CommandError("say USER first")
        name, self._name = self._name, None
        opened = await self._open(name, command.argument)
        if opened is None:
            self._bad_logins += 1
            _LOG.warning(events.POP3_LOGIN_REFUSED, user=name, **self._names)
            await self._say("-ERR [AUTH] unknown name or bad password")
            if self._bad_logins >= BAD_LOGINS:
                raise _Goodbye
            return
        self._maildrop = opened
        await self._say(f"+OK {self._mailbox} has {self._maildrop.total[0]} messages")

    async def _open(self, name: str, password: bytes) -> Maildrop | None:
        """Give the messages that a login may see, None if it is not good."""
        keys = self._around.keys
        if keys.knows(name):
            own = await keys.open(name, password)
            if own is None:
                return None
            self._mailbox, self._store = own, MailboxView(self._around.store, own)
            return await Maildrop.open(self._store, Mailbox())
        if keys and self._around.users is None:
            return None  # else any other name would see what the mailboxes keep apart
        if not accepts(self._around.users, name.encode(), password):
            return None
        self._mailbox = mailbox = Mailbox.named(name)
        return await Maildrop.open(self._store, mailbox)

    async def _stls(self, command: Command) -> None:
        """Go on inside TLS; what was said before doesn't count (RFC 2595, section 4)."""
        command.words(0, 0)
        context = self._around.tls_context
        if context is None or not self._offers_tls:
            raise CommandError("TLS is not to be had here" if context is None else "TLS is on")
        await self._say("+OK begin TLS")
        await self._line.start_tls(context)
        self._name = None

    # After the login

    async def _stat(self, command: Command) -> None:
        command.words(0, 0)
        messages, size = self._messages.total
        await self._say(f"+OK {messages} {size}")

    async def _list(self, command: Command) -> None:
        await self._one_or_all(command, lambda entry: str(entry.size))

    async def _uidl(self, command: Command) -> None:
        await self._one_or_all(command, lambda entry: entry.id)

    async def _one_or_all(self, command: Command, tell: Callable[[Entry], str]) -> None:
        """Tell something of one message, or of each in a list."""
        words = command.words(0, 1)
        if words:
            chosen = number(words[0])
            await self._say(f"+OK {chosen} {tell(self._messages[chosen])}")
            return
        lines = (f"{place} {tell(entry)}" for place, entry in self._messages)
        await self._list_of(lines, "{} messages ({} octets)".format(*self._messages.total))

    async def _retr(self, command: Command) -> None:
        chosen = number(command.words(1, 1)[0])
        self._retrieved += await self._send(chosen, lambda raw: raw)

    async def _top(self, command: Command) -> None:
        chosen, lines = (number(word) for word in command.words(2, 2))
        await self._send(chosen, lambda raw: body.top(raw, lines))

    async def _dele(self, command: Command) -> None:
        chosen = number(command.words(1, 1)[0])
        self._messages.mark(chosen)
        await self._say(f"+OK message {chosen} goes at QUIT")

    async def _rset(self, command: Command) -> None:
        command.words(0, 0)
        self._messages.unmark()
        await self._say("+OK {} messages ({} octets)".format(*self._messages.total))

    async def _noop(self, command: Command) -> None:
        command.words(0, 0)
        await self._say("+OK")

    # Talking

    @property
    def _messages(self) -> Maildrop:
        assert self._maildrop is not None  # _handler has seen to it
        return self._maildrop

    @property
    def _offers_tls(self) -> bool:
        is_before_login = self._maildrop is None
        return self._around.tls_context is not None and not self._line.tls and is_before_login

    @property
    def _names(self) -> dict[str, str | None]:
        return {"listener": self._around.listener, "peer": self._line.peer}

    async def _say(self, reply: str) -> None:
        await self._line.write(reply.encode() + b"\r\n")

    async def _list_of(self, lines: Iterable[str], reply: str) -> None:
        """Send a multi-line response whose lines begin with no dot."""
        text = "".join(f"{line}\r\n" for line in (f"+OK {reply}", *lines, "."))
        await self._line.write(text.encode())

    async def _send(self, chosen: int, part: Callable[[bytes], bytes]) -> bool:
        """Send a message, or a part of it; say whether it was still there."""
        raw = await self._store.raw(self._messages[chosen].id)
        if raw is None:
            await self._say(f"-ERR message {chosen} is no longer in the inbox")
            return False
        await self._say(f"+OK {len(raw)} octets")
        for piece in body.slices(part(raw)):
            await self._line.write(piece)
        return True


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
