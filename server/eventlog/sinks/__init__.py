"""The sinks that the settings ask for: syslog, the journal, the Windows event log."""

from __future__ import annotations

import sys

from bindpost.config.model import EventLog
from bindpost.errors import ConfigError

from ..sink import Sink
from .journald import SOCKET, JournaldSink
from .syslog import SyslogAddress, SyslogSink


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
    return sinks


def _syslog(settings: EventLog) -> SyslogSink:
    try:
        address = SyslogAddress.parse(settings.syslog)
    except ValueError as error:
        raise ConfigError("event_log.syslog", f'"{settings.syslog}": {error}') from None
    return SyslogSink(
        address, facility=settings.syslog_facility, enterprise=settings.syslog_enterprise
    )
