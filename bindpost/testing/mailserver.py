"""MailServer: what a test is given, a mail server whose mail and events are the test's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol, TypedDict, Unpack

import msgspec

from ..client.errors import WaitRefusedError
from ..errors import BindpostError
from ..objects import FullMessage, MessageSummary, Wanted
from .faults import FaultDesk, FaultsOfTest
from .happened import Events

if TYPE_CHECKING:
    from ..config.model import Settings

PATIENCE: Final = 10.0
"""Seconds that a test waits for something that shall happen, unless it says otherwise."""
_SHOWN: Final = 10
"""Messages that are told of when the one that was waited for did not come."""


class Conditions(TypedDict, total=False):
    """
    Which message to wait for.

    `to` is one of the envelope's recipients and `sender` its sender, whole; `subject` is a part of
    the subject; all ignore case. `headers` are decoded values of header fields by their names.
    Patterns (`subject_regex`, `header_regexes`) are RE2's and need the extra `regex`.
    """

    to: str
    sender: str
    subject: str
    subject_regex: str
    headers: Mapping[str, str]
    header_regexes: Mapping[str, str]
    has_link: bool


class NoSuchMailError(BindpostError, AssertionError):
    """The message that a test waited for did not come; the text tells which did."""


class NotListeningError(BindpostError):
    """The server takes no mail anywhere: its listeners are not bound."""


class Backing(Protocol):
    """What a `MailServer` stands upon: a server in this process, or one that runs elsewhere."""

    @property
    def settings(self) -> Settings | None:
        """The settings, None if they can't be known from here."""
        ...

    @property
    def web(self) -> str | None:
        """The URL of its web side, None if that is off."""
        ...

    @property
    def events(self) -> Events:
        """Its events."""
        ...

    @property
    def faults(self) -> FaultDesk:
        """What takes faults for it."""
        ...

    def addresses(self) -> list[tuple[str, int]]:
        """Give where it takes mail now, as host and port."""
        ...

    def summaries(self, after: int) -> list[MessageSummary]:
        """Give the messages behind a cursor, newest first."""
        ...

    def messages(self, after: int) -> list[FullMessage]:
        """Give the messages behind a cursor, whole, oldest first."""
        ...

    def cursor(self) -> int:
        """Give the cursor of the newest message, 0 if there is none."""
        ...

    def wait(self, wanted: Wanted, *, after: int, timeout: float) -> FullMessage | None:
        """Wait for the first such message behind a cursor."""
        ...

    async def async_wait(
        self,
        wanted: Wanted,
        *,
        after: int,
        timeout: float,  # noqa: ASYNC109 - what takes it is not asyncio's alone
    ) -> FullMessage | None:
        """Wait without blocking the loop."""
        ...

    def delete(self, after: int) -> None:
        """Delete the messages behind a cursor."""
        ...


class MailServer:
    """
    A mail server for a test.

    Only what came since `begin` is seen: the plugin calls it before each test, so that tests which
    share a server don't see each other's mail.
    """

    def __init__(self, backing: Backing) -> None:
        self._backing = backing
        self._start = 0
        self.faults = FaultsOfTest(backing.faults)
        """The faults on purpose that this test adds."""

    def __repr__(self) -> str:
        places = [f"{host}:{port}" for host, port in self._backing.addresses()]
        return f"<MailServer at {', '.join(places) or 'no address'}>"

    @property
    def host(self) -> str:
        """Where to send mail: the host. Raises `NotListeningError`."""
        return self._address()[0]

    @property
    def port(self) -> int:
        """Where to send mail: the port. Raises `NotListeningError`."""
        return self._address()[1]

    @property
    def smtp(self) -> str:
        """Where to send mail, as a URL: `smtp://127.0.0.1:40123`. Raises `NotListeningError`."""
        host, port = self._address()
        return f"smtp://[{host}]:{port}" if ":" in host else f"smtp://{host}:{port}"

    @property
    def web(self) -> str | None:
        """The URL of the web side, None if that is off."""
        return self._backing.web

    @property
    def settings(self) -> Settings | None:
        """The server's settings, None for a server that runs elsewhere."""
        return self._backing.settings

    @property
    def messages(self) -> list[FullMessage]:
        """The messages that have come, in the order in which they came."""
        return self._backing.messages(self._start)

    @property
    def events(self) -> Events:
        """The events of the catalogue that this server has logged."""
        return self._backing.events

    def wait_for(
        self,
        *,
        after: MessageSummary | int | None = None,
        timeout: float = PATIENCE,
        **conditions: Unpack[Conditions],
    ) -> FullMessage:
        """
        Give the first message that meets all conditions, as soon as there is one.

        `after` leaves out a message and all before it. Raises `NoSuchMailError` after `timeout`
        seconds, and `WaitRefusedError` for a condition that means nothing.
        """
        wanted, start = _wanted(conditions), self._behind(after)
        message = self._backing.wait(wanted, after=start, timeout=timeout)
        return message or self._fail(wanted, start, timeout)

    async def async_wait_for(
        self,
        *,
        after: MessageSummary | int | None = None,
        timeout: float = PATIENCE,  # noqa: ASYNC109 - the twin of `wait_for`
        **conditions: Unpack[Conditions],
    ) -> FullMessage:
        """Do as `wait_for` does, without blocking the asyncio loop of the test."""
        wanted, start = _wanted(conditions), self._behind(after)
        message = await self._backing.async_wait(wanted, after=start, timeout=timeout)
        return message or self._fail(wanted, start, timeout)

    def clear(self) -> None:
        """Delete the messages that have come, and forget the events."""
        self._backing.delete(self._start)
        self._backing.events.clear()

    def begin(self) -> None:
        """Let what has been before be no longer seen, nor its faults strike; no mail is deleted."""
        self.faults.clear()
        self._start = self._backing.cursor()
        self._backing.events.clear()

    def _address(self) -> tuple[str, int]:
        addresses = self._backing.addresses()
        if not addresses:
            raise NotListeningError("no listener of this server is bound; see its .events")
        return addresses[0]

    def _behind(self, after: MessageSummary | int | None) -> int:
        if after is None:
            return self._start
        return after if isinstance(after, int) else after.cursor

    def _fail(self, wanted: Wanted, after: int, timeout: float) -> FullMessage:
        came = self._backing.summaries(after)
        lines = [
            f"\n  from {message.sender!r} to {', '.join(message.recipients)}: "
            f"{message.fields.subject!r}"
            for message in reversed(came[:_SHOWN])
        ]
        told = f"; {len(came)} came:{''.join(lines)}" if came else "; none came at all"
        raise NoSuchMailError(f"no {wanted} came in {timeout:g} seconds{told}")


def _wanted(conditions: Conditions) -> Wanted:
    given = dict(conditions)
    if unknown := given.keys() - Conditions.__annotations__.keys():
        known = ", ".join(Conditions.__annotations__)
        raise WaitRefusedError(f"{', '.join(sorted(unknown))}: no condition; there are {known}")
    recipient = given.pop("to", None)
    return msgspec.convert(given | {"recipient": recipient}, Wanted)
