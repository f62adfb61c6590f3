"""
Prepared classes: what aiosmtpd works out for each connection is worked out once for a listener.

aiosmtpd's `__init__` looks through all members of the class for commands, mechanisms and hooks. The
outcome is the same for every session of a listener. So one session is made in aiosmtpd's way, and
what it has in its attributes becomes attributes of a class of the listener's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar, cast

from aiosmtpd.smtp import SMTP, _AuthMechAttr

_BOUND: Final = ("_auth_methods", "_smtp_methods")
"""Attributes with methods in them, which must be those of the session and not of the template."""
_STREAMS: Final = (
    *("_reader", "_writer", "_stream_reader_wr", "_strong_reader", "_stream_writer", "_closed"),
    *("_client_connected_cb", "_reject_connection", "_source_traceback", "_task", "_loop"),
    *("_paused", "_drain_waiters", "_connection_lost", "_over_ssl", "_timeout_handle"),
)
"""What asyncio's streams keep in a protocol: the fast engine has none."""

_S = TypeVar("_S", bound=SMTP)


class Commands(Mapping[str, Any]):
    """A session's `smtp_*` methods by their verbs: found when they are asked for."""

    __slots__ = ("_names", "_session")

    def __init__(self, session: SMTP, names: Mapping[str, str]) -> None:
        self._session = session
        self._names = names

    def __getitem__(self, verb: str) -> Any:
        return getattr(self._session, self._names[verb])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Mechanisms(Mapping[str, _AuthMechAttr]):
    """A session's AUTH mechanisms: those of aiosmtpd belong to the session, others to a handler."""

    __slots__ = ("_known", "_session")

    def __init__(self, session: SMTP, known: Mapping[str, _AuthMechAttr]) -> None:
        self._session = session
        self._known = known

    def __getitem__(self, name: str) -> _AuthMechAttr:
        known = self._known[name]
        if not known.is_builtin:
            return known
        return _AuthMechAttr(getattr(self._session, known.method.__name__), True)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def prepare(session_class: type[_S], template: SMTP, **own: object) -> type[_S]:
    """
    Make the class of a listener's sessions; a session is then made by calling it with nothing.

    `template` is a session that was made in aiosmtpd's way and is not used otherwise; `own` are
    further attributes. `command_size_limits` belongs there: aiosmtpd's is one dictionary for all,
    which each EHLO changes and each `__init__` empties.
    """
    found = {
        name: value
        for name, value in vars(template).items()
        if name not in _BOUND and name not in _STREAMS
    }
    verbs = {verb: f"smtp_{verb}" for verb in template._smtp_methods}
    mechanisms = dict(template._auth_methods)
    found["_smtp_methods"] = property(lambda session: Commands(session, verbs))
    found["_auth_methods"] = property(lambda session: Mechanisms(session, mechanisms))
    found["__init__"] = lambda session: None
    return cast("type[_S]", type(session_class.__name__, (session_class,), {**found, **own}))
