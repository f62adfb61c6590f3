"""Sets logging up for a process, and attaches sinks to it."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable
from typing import Final, Literal, TextIO

from bindpost.log import OURS

from .courier import FAREWELL, Courier
from .handler import EventHandler
from .sink import Sink
from .stream import LogStream

_CHATTY: Final = {
    "mail.log": logging.ERROR,
    "mail.debug": logging.WARNING,
    "asyncssh": logging.WARNING,
    "spnego": logging.WARNING,
}
"""Other libraries' loggers, and the least that is heard of them."""


def configure(*, form: Literal["console", "json"], level: str, stream: TextIO, host: str) -> None:
    """
    Write every record of this process from `level` on, ours and other libraries', to `stream`.

    `level` is debug, info, warning or error; `host` the computer name in the records, the node's.
    Can be called again: it takes the place of its former call, closes the sinks that were attached
    since, and leaves other handlers alone. Raises `ValueError` for an unknown level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"{level!r} is no log level; write debug, info, warning or error")
    _install(LogStream(stream, form=form, level=number), host=host)


def attach(sink: Sink, *, scope: str = "", farewell: float = FAREWELL) -> Callable[[], None]:
    """
    Give a sink all events from now on, or those of one app, and those that belong to none.

    Works where `configure` was not called too, in a program that has bindpost in it; only our own
    loggers are listened to then, whatever their level, and the program's logging stays as it is.
    Gives what takes the sink away again: it waits for the sink's queue, `farewell` seconds at most,
    so from a coroutine it is called in a thread.
    """
    courier = Courier(sink, scope=scope, farewell=farewell)
    handler = _add_to(courier) or _listen_with(courier)
    _set_levels(handler)

    def detach() -> None:
        handler.let_go(courier)
        _set_levels(handler)
        with handler.lock or contextlib.nullcontext():
            if handler.stream is None and not handler.couriers:
                _dismiss(handler)

    return detach


def _add_to(courier: Courier) -> EventHandler | None:
    """Let a courier have the records of the handler that is in place; None if there is none."""
    if (found := _handler()) is None:
        return None
    with found.lock or contextlib.nullcontext():
        if _handler() is not found:  # its last courier has gone meanwhile, in another thread
            return None
        found.couriers.append(courier)
        return found


def _listen_with(courier: Courier) -> EventHandler:
    """Put a handler in place that is an `Ear`: the program's levels and handlers stay theirs."""
    handler = EventHandler(None, host=socket.gethostname())
    handler.couriers.append(courier)
    logging.getLogger(OURS).addHandler(handler)
    return handler


def _handler() -> EventHandler | None:
    """Give the handler that `configure` has installed, or `attach`."""
    for logger in (logging.getLogger(), logging.getLogger(OURS)):
        for handler in logger.handlers:
            if isinstance(handler, EventHandler):
                return handler
    return None


def _dismiss(handler: EventHandler) -> None:
    for logger in (logging.getLogger(), logging.getLogger(OURS)):
        logger.removeHandler(handler)
    handler.close()


def _install(stream: LogStream, *, host: str) -> None:
    former = _handler()
    handler = EventHandler(stream, host=host, ids=former.ids if former else None)
    if former is not None:
        _dismiss(former)
    logging.getLogger().addHandler(handler)
    _set_levels(handler)


def _set_levels(handler: EventHandler) -> None:
    level = handler.wanted_level
    if handler.stream is None:
        handler.setLevel(level)
        return
    logging.getLogger().setLevel(level)
    for name, least in _CHATTY.items():
        # aiosmtpd logs each command at INFO, XAUTH's secrets with it, and at WARNING words that are
        # none, which may be responses of AUTH; asyncssh eight lines a login; spnego, at DEBUG, what
        # a password can be guessed from.
        logging.getLogger(name).setLevel(max(level, least))
