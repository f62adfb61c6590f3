"""
The actuator of faults on purpose: does to a session what the desk of faults has decided.

It is the same for both engines, and asks nothing while there are no rules.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from bindpost import events
from bindpost.config.fault import Fault, Stage, seconds_of, summary_of

from ..faults import Facts
from ..message.model import Message, new_id
from .body import Chunks
from .damage import REFUSALS, corrupted, pieces_of, reply_of, with_keywords
from .ending import EndingWire
from .grammar import MalformedAddressError, split_path, strip_keyword
from .reader import Tap, read_body, read_chunk
from .reply import Reply
from .wire import UNCLEAN, Verb

CarryOut = Callable[[], Awaitable[Reply]]
TOLD: Final = 100
"""Faults that a message tells of, the newest."""


class FaultyWire(EndingWire):
    """The part of a session that strikes it with faults."""

    _struck: tuple[str, ...] = ()
    """The faults that have struck since the last message."""
    _idle_timer: asyncio.TimerHandle | None = None
    _auth_faults: tuple[Fault, ...] = ()
    _tap: Tap | None = None
    """What strikes the chunks of a message while they come."""

    # Asking

    def _strike(
        self,
        stage: Stage,
        *,
        helo: str | None = None,
        sender: str | None = None,
        recipients: tuple[str, ...] = (),
        login: str | None = None,
        came: int = 0,
        raw: bytes | None = None,
        idle: float = 0.0,
        judged: dict[object, bool] | None = None,
    ) -> tuple[Fault, ...]:
        """Ask what strikes the session at a stage, and tell of it."""
        talk = self.conversation
        transaction = talk.transaction
        if transaction is not None:
            sender = transaction.reverse_path
            recipients = recipients or tuple(one.address for one in transaction.recipients)
        facts = Facts(
            listener=self._around.listener,
            peer=talk.peer_host or "",
            helo=helo or talk.helo_name or "",
            login=login or talk.login or "",
            tls=talk.tls,
            sender=sender,
            recipients=recipients,
            came=came,
            raw=raw,
            idle=idle,
            judged={} if judged is None else judged,
        )
        struck = self._around.faults.decide(stage, facts, session=self.session_id())
        for fault in struck:
            told = summary_of(fault)
            self._struck = (*self._struck, f"{fault.name}: {told}")[-TOLD:]
            self._recorder.add("-", f"fault {fault.name}: {told}")
            self._report(events.FAULT_FIRED, fault=fault.name, action=told)
        return struck

    # Commands

    async def _answer(self, verb: Verb, argument: str | None, stage: Stage | None = None) -> Reply:
        if stage is not None and self._around.faults.is_on:
            text = argument or ""
            if struck := self._strike_command(stage, text):

                async def carry_out() -> Reply:
                    return self._asked(verb, text)

                return await self._perform(struck, carry_out)
        return await super()._answer(verb, argument, stage)

    def _strike_command(self, stage: Stage, argument: str) -> tuple[Fault, ...]:
        """Ask at a command; where it is none, or out of sequence, nothing strikes."""
        if UNCLEAN.search(argument) or not self.conversation.is_in_turn(stage):
            return ()
        if stage in ("HELO", "EHLO"):
            return self._strike(stage, helo=argument)
        if stage == "MAIL":
            return self._strike(stage, sender=self._path("FROM:", argument))
        if stage == "RCPT":
            return self._strike(stage, recipients=(self._path("TO:", argument) or "",))
        return self._strike(stage)

    def _path(self, keyword: str, argument: str) -> str | None:
        lenient = self._around.rules.policy.ims.accept_malformed821_adrs
        with contextlib.suppress(MalformedAddressError):
            return split_path(strip_keyword(keyword, argument) or "", lenient=lenient)[0]
        return None

    async def _perform(self, struck: tuple[Fault, ...], carry_out: CarryOut) -> Reply:
        """
        Do to a command what was decided; gives the reply that was sent, or was to be.

        Raises `CancelledError` where the session ends.
        """
        spoken = manner = None
        for fault in struck:
            if fault.action == "delay":
                await self._pause(seconds_of(fault))
            elif fault.action in REFUSALS:
                spoken = fault
            elif fault.action in ("slow", "split", "double", "garble", "swallow"):
                manner = fault
            elif fault.action not in ("hide", "invent"):
                await self._end_by(fault)
        reply = reply_of(spoken) if spoken is not None else None
        if reply is None or reply.is_positive:
            done = await carry_out()
            reply = reply if reply is not None and done.is_positive else done
        reply = with_keywords(reply, struck)
        await self._send_so(reply, manner)
        if spoken is not None:
            self._end_behind(reply)
        return reply

    def _end_behind(self, reply: Reply) -> None:
        """End the session if a fault's reply means that. Raises `CancelledError`."""
        if reply.code == 421:
            self._close()
            raise asyncio.CancelledError

    async def _say_under(self, struck: tuple[Fault, ...], carry_out: CarryOut) -> Reply:
        """Carry a command out and send its reply, under faults if there are any."""
        if struck:
            return await self._perform(struck, carry_out)
        reply = await carry_out()
        await self._send(reply)
        return reply

    async def _send_so(self, reply: Reply, manner: Fault | None) -> None:
        """Send a reply in the manner of a fault."""
        if manner is None:
            await self._send(reply)
            return
        if manner.action != "swallow":
            for piece, pause in pieces_of(self._noted(reply), manner):
                self._writer.write(piece)
                await self._writer.drain()
                if pause:
                    await self._pause(pause)
        self._replied(reply)

    # Logins

    def _strike_login(self, name: str) -> Reply | None:
        """Ask when name and password have come; gives the refusal, if there is one."""
        self._auth_faults = self._strike("AUTH", login=name)
        replies = (reply_of(one) for one in self._auth_faults if one.action in REFUSALS)
        return next((reply for reply in replies if not reply.is_positive), None)

    async def push(self, status: str | bytes | None) -> None:
        """Say what aiosmtpd has to say; its answer to a login, as faults have it."""
        struck, self._auth_faults = self._auth_faults, ()
        if not struck or not isinstance(status, str):
            await super().push(status)
            return

        async def carry_out() -> Reply:
            return Reply.parse(status)

        await self._perform(struck, carry_out)

    # Connection

    async def _at_accept(self) -> None:
        if not self._around.faults.is_on:
            return
        for fault in self._strike("accept"):
            if fault.action == "delay":
                await self._pause(seconds_of(fault))
            elif fault.action in REFUSALS:
                await self._send(reply_of(fault))
                self._close()
                raise asyncio.CancelledError
            else:
                await self._end_by(fault)

    async def _say_greeting(self) -> None:
        struck = self._strike("banner") if self._around.faults.is_on else ()
        if not struck:
            await super()._say_greeting()
            return

        async def carry_out() -> Reply:
            return self.conversation.greeting()

        reply = await self._perform(struck, carry_out)
        if not reply.is_positive:
            self._close()
            raise asyncio.CancelledError

    async def _pause(self, seconds: float) -> None:
        """Wait; it isn't the client that is silent meanwhile."""
        self._reset_timeout(seconds + self._around.rules.limits.command_timeout)
        await asyncio.sleep(seconds)
        self._reset_timeout()

    # Silence

    def _end_command(self) -> None:
        super()._end_command()
        if self._around.faults.is_on:
            self._wait_idly(0.0)

    def _wait_idly(self, since: float) -> None:
        """Look again when the client has been silent long enough for the next rule."""
        self._forget_idle_timer()
        following = self._around.faults.next_idle(since)
        if following is not None and not self._writer.is_closing():
            self._idle_timer = self.loop.call_later(following - since, self._idle, following)

    def _idle(self, seconds: float) -> None:
        for fault in self._strike("idle", idle=seconds):
            if fault.action == "reset":
                self._reset_connection()
            else:
                if fault.action == "reply":
                    self._write(reply_of(fault))
                self._close()
            return
        self._wait_idly(seconds)

    def _forget_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _note(self, line: bytes, text: str) -> None:
        super()._note(line, text)
        if self._idle_timer is not None:
            self._forget_idle_timer()

    def _ended(self) -> None:
        self._forget_idle_timer()
        super()._ended()

    # Messages

    async def _read_lines(self, limit: int, tap: Tap | None = None) -> bytes | None:
        """Give the message that follows, None if it is larger than the limit."""
        return await read_body(
            self._reader,
            limit=limit,
            progress=self._made_progress,
            gauge=self._gauge,
            tap=tap,
        )

    def _begin_chunks(self, limit: int) -> Chunks:
        """Begin a message in chunks, as faults have it."""
        self._tap = self._make_tap()
        self._chunks = Chunks(limit)
        return self._chunks

    async def _read_chunk_under(self, octets: int, chunks: Chunks) -> None:
        """Read a chunk as faults have it, if there are any."""
        await read_chunk(
            self._reader,
            octets,
            chunks,
            progress=self._made_progress,
            gauge=self._gauge,
            tap=self._tap,
        )

    def _forget_chunks(self) -> None:
        super()._forget_chunks()
        self._tap = None

    def _make_tap(self) -> Tap | None:
        """Give what strikes a message while it comes, None if no rule is for that."""
        marks = self._around.faults.asked_in_data() if self._around.faults.is_on else []
        if not marks:
            return None
        slow: list[Fault] = []
        seen = 0

        async def tap(size: int) -> None:
            nonlocal seen
            for fault in slow:
                await self._pause((size - seen) / (fault.bytes or 1) * seconds_of(fault))
            while marks and marks[0] <= size:
                for fault in self._strike("in-data", came=marks.pop(0)):
                    if fault.action == "slow":
                        slow.append(fault)
                    elif fault.action == "delay":
                        await self._pause(seconds_of(fault))
                    else:
                        await self._end_by(fault)
            seen = size

        return tap

    def _made_progress(self) -> None:
        """Give a client that sends a message its time again."""
        self._reset_timeout(self._around.rules.limits.data_timeout)

    async def _add(self, message: Message) -> bool:
        """
        Keep a message, or do with it what a fault has become of it.

        One that is lost, or bounces, is not delivered.
        """
        if not (self._around.faults.is_on or self._struck):
            return await super()._add(message)
        envelope = message.envelope
        struck = self._strike(
            "after-acceptance",
            sender=envelope.reverse_path,
            recipients=tuple(one.address for one in envelope.recipients),
            raw=message.raw,
        )
        facts = msgspec.structs.replace(message.session, faults=self._struck)
        self._struck = ()
        message = msgspec.structs.replace(message, session=facts)
        copies = 1
        for fault in struck:
            if fault.action == "lose":
                return False
            if fault.action == "corrupt":
                raw = corrupted(message.raw, fault.seed)
                message = msgspec.structs.replace(message, raw=raw)
            elif fault.action == "duplicate":
                copies += 1
        await super()._add(message)
        for _ in range(1, copies):
            await super()._add(msgspec.structs.replace(message, id=new_id()))
        bounces = [fault for fault in struck if fault.action == "bounce"]
        for fault in bounces:
            self._around.bounces.plan(message, fault)
        return not bounces
