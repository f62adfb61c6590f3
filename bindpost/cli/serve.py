"""`bindpost serve`: the main job, a listener and an inbox until somebody stops it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

import click

from bindpost import events
from bindpost.config.load import Loaded
from bindpost.errors import EXIT_OK, EXIT_UNAVAILABLE, BindError
from bindpost.log import get_logger

from .options import listening_options, load_flags

_LOG: Final = get_logger("bindpost")
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@click.command()
@listening_options
def serve(**flags: Any) -> None:
    """
    Take mail by SMTP and show it, until stopped.

    SIGTERM or Ctrl-C lets live sessions finish; a second one cuts them.
    """
    loaded = load_flags(flags)
    start_logging(loaded)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        sys.exit(runner.run(_run(loaded)))


def start_logging(loaded: Loaded) -> None:
    """Send the log to standard error in the form that the settings ask for."""
    from bindpost.server.eventlog import configure

    configure(
        form=loaded.settings.log,
        level=loaded.settings.log_level,
        stream=sys.stderr,
        host=loaded.settings.hostname or socket.gethostname(),
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Give uvloop's factory where it exists, None for asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run(loaded: Loaded) -> int:
    """Serve until a signal comes; gives the exit code."""
    from bindpost.server.app import Bindpost

    app = Bindpost(loaded.settings, folder=loaded.folder)
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            _LOG.warning(events.CUT)
            app.sessions.cut()
        stop.set()

    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as signals:
        for number in _SIGNALS:
            loop.add_signal_handler(number, on_signal)
            signals.callback(loop.remove_signal_handler, number)
        try:
            async with app:
                await _first_of(stop, app.failed)
        except BindError:
            return EXIT_UNAVAILABLE  # the log has said it, down to Error 2140
    return EXIT_UNAVAILABLE if app.failed.is_set() else EXIT_OK


async def _first_of(*occasions: asyncio.Event) -> None:
    """Return when one of these has come."""
    waits = [asyncio.ensure_future(occasion.wait()) for occasion in occasions]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
