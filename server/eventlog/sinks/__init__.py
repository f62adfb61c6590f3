"""The sinks that the settings ask for: syslog, the journal, Windows's event log, a file of NT's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from bindpost.config.model import EventLog
from bindpost.errors import ConfigError

from ..sink import Sink
from .journald import SOCKET, JournaldSink
from .syslog import SyslogAddress, SyslogSink

EVT_STEP: Final = 64
"""KiB in which an NT log file grows."""


def sinks_of(settings: EventLog) -> list[Sink]:
    """Make the sinks of `[event_log]`; nothing is connected yet. Raises `ConfigError`."""
    sinks: list[Sink] = []
    if settings.syslog:
        sinks.append(_syslog(settings))
    if settings.journald:
        sinks.append(JournaldSink(SOCKET if settings.journald == "system" else settings.journald))
    if settings.windows:
        if sys.platform != "win32":
            raise ConfigError("event_log.windows", "the Windows event log is on Windows only")
        from .windows import WindowsSink

        sinks.append(WindowsSink())
    if settings.evt:
        sinks.append(_evt(settings))
    return sinks


def _evt(settings: EventLog) -> Sink:
    from .evt import EvtSink

    if settings.evt_size % EVT_STEP:
        raise ConfigError(
            "event_log.evt_size", f"{settings.evt_size} is no multiple of {EVT_STEP} KiB"
        )
    return EvtSink(
        Path(settings.evt),
        max_size=settings.evt_size * 1024,
        retention=settings.evt_retention * 86_400,
        verbose_strings=settings.evt_verbose_strings,
    )


def _syslog(settings: EventLog) -> SyslogSink:
    try:
        address = SyslogAddress.parse(settings.syslog)
    except ValueError as error:
        raise ConfigError("event_log.syslog", f'"{settings.syslog}": {error}') from None
    return SyslogSink(
        address, facility=settings.syslog_facility, enterprise=settings.syslog_enterprise
    )
