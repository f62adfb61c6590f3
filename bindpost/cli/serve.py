"""`bindpost serve`: the main job, a listener and an inbox until somebody stops it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import Callable
from signal import SIGHUP, SIGINT, SIGTERM
from typing import TYPE_CHECKING, Any, Final

import click

from bindpost import events
from bindpost.config.load import Loaded
from bindpost.config.names import node_of
from bindpost.errors import EXIT_OK, EXIT_UNAVAILABLE, BindError, ConfigError
from bindpost.log import get_logger

from .options import listening_options, load_flags

if TYPE_CHECKING:
    from bindpost.server.app import Bindpost

_LOG: Final = get_logger("bindpost")


@click.command()
@listening_options
def serve(**flags: Any) -> None:
    """
    Take mail by SMTP and show it, until stopped.

    SIGTERM or Ctrl-C lets live sessions finish; a second one cuts them. SIGHUP reads the settings
    again and binds only what has changed.
    """
    from bindpost.server.descriptors import raise_limit
    from bindpost.server.privileges import settle_user

    loaded = load_flags(flags)
    raise_limit()
    was_root = settle_user(loaded.settings, loaded.folder)
    start_logging(loaded)
    if was_root:
        _LOG.info(events.ROOT_GIVEN_UP, account=loaded.settings.user)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        sys.exit(runner.run(_run(loaded, flags)))


def start_logging(loaded: Loaded) -> None:
    """
    Send the log to standard error in the form that the settings ask for, and events to the sinks.

    The sinks are closed when logging is, at the end of the process.
    """
    from bindpost.server.eventlog import attach, configure
    from bindpost.server.eventlog.sinks import sinks_of

    sinks = sinks_of(loaded.settings.event_log)
    configure(
        form=loaded.settings.log,
        level=loaded.settings.log_level,
        stream=sys.stderr,
        host=node_of(loaded.settings),
    )
    for sink in sinks:
        attach(sink)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Give uvloop's factory where it exists, None for asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run(loaded: Loaded, flags: dict[str, Any]) -> int:
    """Serve until a signal comes; gives the exit code."""
    from bindpost.server.app import Bindpost

    app = Bindpost(loaded.settings, folder=loaded.folder)
    stop, started = asyncio.Event(), asyncio.Event()
    reloads: set[asyncio.Task[None]] = set()
    me = asyncio.current_task()
    assert me is not None

    def on_stop() -> None:
        if not started.is_set():
            me.cancel()  # a bind through a silent proxy may take many seconds
        elif stop.is_set():
            _LOG.warning(events.CUT)
            app.sessions.cut()
        stop.set()

    def on_reload() -> None:
        if app.ready.is_set():
            reloads.add(asyncio.ensure_future(_reload(app, flags)))

    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as signals:
        for number, handler in [(SIGTERM, on_stop), (SIGINT, on_stop), (SIGHUP, on_reload)]:
            loop.add_signal_handler(number, handler)
            signals.callback(loop.remove_signal_handler, number)
        try:
            async with app:
                started.set()
                _spare_the_collector()
                await _first_of(stop, app.listeners.lost)
                await asyncio.gather(*reloads)
        except BindError:
            return EXIT_UNAVAILABLE  # the log has said it, down to Error 2140
        except asyncio.CancelledError:
            if started.is_set() or not stop.is_set():
                raise
            return EXIT_OK  # stopped before it had begun
    return EXIT_UNAVAILABLE if app.listeners.lost.is_set() else EXIT_OK


def _spare_the_collector() -> None:
    """
    Have cyclic garbage no longer looked for among what has been there from the start.

    A message makes hundreds of objects, so that there is looked for it often: of the time under
    load a tenth went into that.
    """
    gc.freeze()


async def _reload(app: Bindpost, flags: dict[str, Any]) -> None:
    """Read the settings again, with the same flags; bad ones change nothing."""
    try:
        loaded = load_flags(flags)
        await app.reload(loaded.settings, folder=loaded.folder)
    except ConfigError as error:
        _LOG.error(events.RELOAD_FAILED, error=str(error))


async def _first_of(*occasions: asyncio.Event) -> None:
    """Return when one of these has come."""
    waits = [asyncio.ensure_future(occasion.wait()) for occasion in occasions]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
