"""Sets logging and structlog up for a process, and attaches sinks to it."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable
from typing import Final, Literal, TextIO

import structlog

from bindpost.events import EventType

from .courier import Courier
from .handler import EventHandler
from .sink import Sink
from .stream import LogStream
from .tap import find_tap, tap

_CHATTY: Final = ("mail.log", "mail.debug", "asyncssh", "spnego")


def configure(*, form: Literal["console", "json"], level: str, stream: TextIO, host: str) -> None:
    """
    Write every record of this process from `level` on, ours and other libraries', to `stream`.

    `level` is debug, info, warning or error; `host` the computer name in the records. Can be called
    again: it takes the place of its former call, closes the sinks that were attached since, and
    leaves other handlers alone. Raises `ValueError` for an unknown level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"{level!r} is no log level; write debug, info, warning or error")
    _install(LogStream(stream, form=form, level=number), host=host)


def attach(sink: Sink, *, scope: str = "") -> Callable[[], None]:
    """
    Give a sink all events from now on, or those of one app, and those that belong to none.

    Works where `configure` was not called too, in a program that has bindpost in it: its logging
    stays as it is, and events that it filters out by their level don't come here either. Gives what
    takes the sink away again: it waits for the sink's queue (`courier.FAREWELL`), so from a
    coroutine it is called in a thread.
    """
    handler = _handler()
    if handler is None:
        return _attach_by_tap(Courier(sink, scope=scope))
    courier = Courier(sink, scope=scope)
    handler.couriers.append(courier)
    _set_levels(handler)

    def detach() -> None:
        handler.let_go(courier)
        _set_levels(handler)

    return detach


def _attach_by_tap(courier: Courier) -> Callable[[], None]:
    handler = _add_to_tap(courier)
    if handler is None:
        handler = EventHandler(None, host=socket.gethostname())
        handler.couriers.append(courier)
        handler.on_close = tap(handler)

    def detach() -> None:
        handler.let_go(courier)
        with handler.lock or contextlib.nullcontext():
            if not handler.couriers:
                handler.close()

    return detach


def _add_to_tap(courier: Courier) -> EventHandler | None:
    """Let a courier have the events of the tap that is in place; None if there is none."""
    if (found := find_tap()) is None:
        return None
    with found.handler.lock or contextlib.nullcontext():
        if find_tap() is not found:  # its last courier has gone meanwhile, in another thread
            return None
        found.handler.couriers.append(courier)
        return found.handler


def _handler() -> EventHandler | None:
    """Give the handler that `configure` has installed."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, EventHandler):
            return handler
    return None


def _install(stream: LogStream, *, host: str) -> None:
    former = _handler()
    handler = EventHandler(stream, host=host, ids=former.ids if former else None)
    if former is not None:
        logging.getLogger().removeHandler(former)
        former.close()
    elif (tapped := find_tap()) is not None:
        tapped.handler.close()
    logging.getLogger().addHandler(handler)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=_BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A cached logger would keep the processors of an earlier call.
        cache_logger_on_first_use=False,
    )
    _set_levels(handler)


def _set_levels(handler: EventHandler) -> None:
    level = handler.wanted_level
    logging.getLogger().setLevel(level)
    for name in _CHATTY:
        # aiosmtpd logs each command at INFO, XAUTH's secrets with it; asyncssh eight lines a login;
        # spnego, at DEBUG, what a password can be guessed from.
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class _BoundLogger(structlog.stdlib.BoundLogger):
    """Logs an event of the catalogue at the event's own level, whatever method was called."""

    def _proxy_to_logger(
        self,
        method_name: str,
        event: EventType | str | None = None,
        *event_args: str,
        **event_kw: object,
    ) -> object:
        if isinstance(event, EventType):
            method_name = event.level.logging_name
        # structlog declares text, but passes any event on to the processors.
        return super()._proxy_to_logger(method_name, event, *event_args, **event_kw)  # type: ignore[arg-type]
