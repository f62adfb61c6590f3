"""Mail under load: numbered messages over several sessions, and how each of them was answered."""

from __future__ import annotations

import itertools
import smtplib
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..client import Client
from ..proxy.sockets import reset_on_close
from .serving import PATIENCE

_PAUSE: Final = 0.005
"""Seconds before a sender that found no server tries again."""


class ResettingSMTP(smtplib.SMTP):
    """A client whose socket is reset when it is closed, also when that is before the banner."""

    def _get_socket(self, *arguments: Any) -> socket.socket:
        sock: socket.socket = super()._get_socket(*arguments)  # type: ignore[misc]
        reset_on_close(sock)
        return sock


class Answer(NamedTuple):
    """How a message was answered: when, by `time.monotonic`, in how many seconds, by which code."""

    at: float
    seconds: float
    code: int
    """0 when the session ended without an answer."""


class Load:
    """
    Sends numbered messages over several sessions at once; knows which were acknowledged.

    `answers` has that of each message, in order of time, but for the connection of a session: who
    is refused that has sent nothing.
    A message that was not acknowledged is not sent again, whatever happens. `first` is the first
    number. With `again` a sender whose session is lost begins another, until `stop()`; else it
    ends. `each` is how many messages a session has, 0 for no end. With `reset` the senders' sockets
    are reset when they are closed, as those of programs that crash are. Bodies have up to 5,000
    bytes more than those of `sizes`, which take turns. `patience` is how many seconds a sender
    waits for an answer.
    """

    def __init__(
        self,
        address: tuple[str, int],
        *,
        first: int = 0,
        senders: int = 4,
        again: bool = False,
        each: int = 0,
        reset: bool = False,
        sizes: Sequence[int] = (0,),
        patience: float = PATIENCE,
    ) -> None:
        self.acknowledged: dict[str, bytes] = {}
        self.answers: list[Answer] = []
        self._address = address
        self._numbers = itertools.count(first)
        self._again = again
        self._each = each
        self._client = ResettingSMTP if reset else smtplib.SMTP
        self._sizes = sizes
        self._patience = patience
        self._stopped = threading.Event()
        self._news = threading.Condition()
        self._threads = [threading.Thread(target=self._send) for _ in range(senders)]
        for thread in self._threads:
            thread.start()

    def wait_for_acknowledged(self, count: int) -> None:
        """Return when so many messages are acknowledged."""
        with self._news:
            if not self._news.wait_for(lambda: len(self.acknowledged) >= count, PATIENCE):
                raise AssertionError(f"only {len(self.acknowledged)} of {count} acknowledged")

    def wait_for_more(self, count: int) -> None:
        """Return when so many more messages are acknowledged."""
        self.wait_for_acknowledged(len(self.acknowledged) + count)

    def wait_for_answer(self, begun: float, *, patience: float = PATIENCE) -> None:
        """Return when a message is answered that was begun at a moment or later."""
        with self._news:
            if not self._news.wait_for(
                lambda: any(one.at - one.seconds >= begun for one in self.answers[-20:]),
                patience,
            ):
                raise AssertionError(f"no message is answered: {self.answers[-1:]}")

    def stop(self) -> None:
        """Begin no more messages; returns when every sender has ended."""
        self._stopped.set()
        self.wait_end()

    def wait_end(self) -> None:
        """Return when every sender has met the end."""
        for thread in self._threads:
            thread.join(2 * PATIENCE)
            if thread.is_alive():
                raise AssertionError("a sender does not end")

    def _send(self) -> None:
        while True:
            try:
                with self._client(*self._address, timeout=self._patience) as smtp:
                    self._session(smtp)
            except (OSError, smtplib.SMTPException):  # the server, or the way to it, was cut off
                if not self._again or self._stopped.wait(_PAUSE):
                    return
            if self._stopped.is_set():
                return

    def _session(self, smtp: smtplib.SMTP) -> None:
        turns = range(self._each) if self._each else itertools.count()
        for _ in turns:
            if self._stopped.is_set():
                return
            with self._news:
                number = next(self._numbers)
            size = self._sizes[number % len(self._sizes)] + number % 5000
            body = f"Subject: {number}\r\n\r\n{'x' * size}\r\n".encode()
            began = time.monotonic()
            try:
                smtp.sendmail("a@example.test", [f"{number}@example.test"], body)
            except (OSError, smtplib.SMTPException) as error:
                self._note(began, getattr(error, "smtp_code", 0))
                raise
            self.acknowledged[str(number)] = body
            self._note(began, 250)

    def _note(self, began: float, code: int) -> None:
        with self._news:
            now = time.monotonic()
            self.answers.append(Answer(now, now - began, code))
            self._news.notify_all()


def check_kept(acknowledged: Mapping[str, bytes], client: Client) -> int:
    """
    See that what was acknowledged, by its subject, is kept, whole, and that nothing is twice.

    Gives how many are kept that were not acknowledged.
    """
    rows = client.messages(limit=0)
    kept = Counter(row.fields.subject for row in rows)
    lost = acknowledged.keys() - kept.keys()
    twice = [subject for subject, count in kept.items() if count > 1]
    changed = [
        row.fields.subject
        for row in rows
        if row.fields.subject in acknowledged
        and client.raw(row.id) != acknowledged[row.fields.subject]
    ]
    if lost or twice or changed:
        raise AssertionError(f"{lost=} {twice=} {changed=}")
    return len(kept.keys() - acknowledged.keys())
