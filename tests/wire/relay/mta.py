"""A mail server that does as it is told: it takes all mail unless a rule says otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from dataclasses import dataclass, field
from typing import Final

PATIENCE: Final = 20.0
"""Seconds after which something that must happen has not happened."""


@dataclass
class Mail:
    """What the server took: sender and recipients as said, dots unstuffed."""

    sender: str
    recipients: list[str]
    raw: bytes


@dataclass
class Rule:
    """A reply to whatever command begins with `prefix`, so many times."""

    prefix: str
    reply: str
    times: int


@dataclass
class Mta:
    """A mail server. Commands are told from `CONNECT` (the greeting) to `END` (of the message)."""

    address: tuple[str, int] = ("", 0)
    extensions: list[str] = field(default_factory=lambda: ["SIZE 100000000", "8BITMIME", "DSN"])
    tls: ssl.SSLContext | None = None
    mails: list[Mail] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    most_at_once: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, prefix: str, reply: str, *, times: int = 1_000_000) -> None:
        """Give this reply in place of the usual one; see `_Session.reply`."""
        self.rules.append(Rule(prefix, reply, times))

    async def wait_for(self, count: int) -> list[Mail]:
        """Give the mail when there is so much."""
        async with asyncio.timeout(PATIENCE):
            while len(self.mails) < count:
                self.news.clear()
                await self.news.wait()
        return self.mails

    async def wait_for_command(self, prefix: str) -> None:
        """Return when a command was said."""
        async with asyncio.timeout(PATIENCE):
            while not any(command.startswith(prefix) for command in self.commands):
                self.news.clear()
                await self.news.wait()

    def reply_to(self, command: str, usual: str) -> str:
        """Note a command and give the reply."""
        self.commands.append(command)
        self.news.set()
        for rule in self.rules:
            if rule.times and command.startswith(rule.prefix):
                rule.times -= 1
                return rule.reply
        return usual

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a session."""
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await _Session(self, reader, writer).run()
        finally:
            self.at_once -= 1
            writer.close()


class _Session:
    def __init__(
        self, mta: Mta, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.mta, self.reader, self.writer = mta, reader, writer
        self.mail = Mail("", [], b"")

    async def run(self) -> None:
        await self.reply("CONNECT", "220 mta.example ESMTP")
        while line := await self.reader.readline():
            await self.command(line.decode("utf-8", "replace").rstrip("\r\n"))

    async def reply(self, command: str, usual: str) -> str:
        """Reply; `close` closes, `silence` says nothing, `hold` waits for the gate."""
        reply = self.mta.reply_to(command, usual)
        if reply == "hold":
            await self.mta.gate.wait()
            reply = usual
        if reply == "close":
            raise ConnectionError
        if reply == "silence":
            await self.reader.read()
            raise ConnectionError
        self.writer.write(reply.encode("latin-1") + b"\r\n")
        await self.writer.drain()
        return reply

    async def command(self, line: str) -> None:
        verb = line.split(" ")[0].upper()
        usual = "250 OK"
        if verb == "EHLO":
            lines = ["mta.example", *self.mta.extensions]
            usual = "\r\n".join(
                f"250{'-' if n < len(lines) else ' '}{text}" for n, text in enumerate(lines, 1)
            )
        elif verb == "DATA":
            usual = "354 go on"
        elif verb in ("STARTTLS", "QUIT"):
            usual = "220 go on" if verb == "STARTTLS" else "221 bye"
        elif verb == "AUTH":
            usual = "235 welcome"
        reply = await self.reply(line, usual)
        if verb == "MAIL":
            self.mail = Mail(line.partition(":")[2], [], b"")
        elif verb == "RCPT" and reply.startswith("2"):
            self.mail.recipients.append(line.partition(":")[2])
        elif verb == "DATA" and reply.startswith("354"):
            await self.data()
        elif verb == "STARTTLS" and reply.startswith("2"):
            assert self.mta.tls is not None
            await self.writer.start_tls(self.mta.tls)
            self.mta.extensions.remove("STARTTLS")
        elif verb == "QUIT":
            raise ConnectionError

    async def data(self) -> None:
        """Take a message, strictly: only CRLF ends a line, only CRLF.CRLF the message."""
        body = bytearray()
        while body != b".\r\n" and not body.endswith(b"\r\n.\r\n"):
            body += await self.reader.readuntil(b"\n")
        self.mail.raw = re.sub(rb"(\A|\r\n)\.", rb"\1", bytes(body[:-3]))
        if (await self.reply("END", "250 taken")).startswith("2"):
            self.mta.mails.append(self.mail)
            self.mta.news.set()
