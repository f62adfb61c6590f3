"""The errors that bindpost raises: one small tree, each with object, cause and what to do."""

from __future__ import annotations

from typing import Final

EXIT_OK: Final = 0
EXIT_USAGE: Final = 2
EXIT_UNAVAILABLE: Final = 69
"""A listener could not be bound (sysexits.h, EX_UNAVAILABLE)."""
EXIT_CONFIG: Final = 78
"""The configuration is bad (sysexits.h, EX_CONFIG)."""


class BindpostError(Exception):
    """Something that bindpost could not do; `str()` is a sentence for a person."""

    exit_code = 1


class ConfigError(BindpostError):
    """
    A setting that cannot be used.

    `key` is the setting's dotted name (`listener[0].endpoint`), `problem` what is wrong with its
    value, `origin` the file, variable or flag that the value came from, `hint` what to do.
    """

    exit_code = EXIT_CONFIG

    def __init__(self, key: str, problem: str, *, origin: str = "", hint: str = "") -> None:
        self.key = key
        self.problem = problem
        self.origin = origin
        self.hint = hint
        super().__init__(key, problem)

    def __str__(self) -> str:
        where = f" (from {self.origin})" if self.origin else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.key}: {self.problem}{where}{hint}"


class BindError(BindpostError, OSError):
    """
    A listener could not be bound.

    `code` is the Winsock error that event 4007 carries: 10050 whenever the proxy path is
    misconfigured or unusable (KB Q203116, Q193928), else the local bind's own code (10048, 10013,
    10049). `endpoint` and `path` name the object, `hop` the step that failed (`services`,
    `resolve`, `connect`, `greeting`, `auth`, `request`, `bind`, `accept`), `detail` the underlying
    error or reply, `hint` what a person can do. `cause` is the same whenever the same is wrong: the
    hint, unless that names what changes between two attempts (who holds a port, for instance).
    `path` must come with its credentials redacted.
    """

    exit_code = EXIT_UNAVAILABLE

    def __init__(
        self,
        code: int,
        *,
        endpoint: str,
        path: str,
        hop: str,
        detail: str,
        hint: str,
        cause: str = "",
    ) -> None:
        self.code = code
        self.endpoint = endpoint
        self.path = path
        self.hop = hop
        self.detail = detail
        self.hint = hint
        self.cause = cause or hint
        super().__init__(code, detail)

    def fields(self) -> dict[str, object]:
        """Give it as the fields of an event."""
        return {
            "wsa_error": self.code,
            "endpoint": self.endpoint,
            "via": self.path,
            "hop": self.hop,
            "reason": self.detail,
            "hint": self.hint,
        }

    def __str__(self) -> str:
        path = self.path.removesuffix(":")
        return f"bind {self.endpoint} through {path}: {self.detail} ({self.code})"


class ServiceUnknownError(BindError):
    """
    The service that an endpoint names is not in the services file: event 4003 in place of 4007.

    The code is 11004, which getservbyname() gives for that, and which KB Q268643 has.
    """

    def __init__(self, endpoint: str, service: str) -> None:
        super().__init__(
            11004,
            endpoint=endpoint,
            path="services:",
            hop="services",
            detail=f"the services file has no line for {service}/tcp",
            hint=f"put the line `{service} PORT/tcp` into /etc/services, or give the port's number",
        )


class StoreError(BindpostError):
    """The message store could not do what it was asked; a message was not kept."""


class StoreFullError(StoreError):
    """The disk (or the quota) that the store writes to is full."""


class StoreAwayError(StoreError):
    """The database that the store is in can't be reached just now; nothing was done."""


class SearchTimeoutError(StoreError):
    """A search would have taken longer than it may; nothing was found and nothing changed."""


class StoreInUseError(StoreError):
    """Another process holds the data folder."""

    exit_code = EXIT_CONFIG


class EventFileError(BindpostError):
    """An event log file could not be opened, read or written; the text names it."""


class EventFileFormatError(EventFileError):
    """A file is no event log, or is a damaged one."""


class EventFileInUseError(EventFileError):
    """Another process, or another part of this one, writes to the event log file."""

    exit_code = EXIT_CONFIG


class EventLogFullError(EventFileError):
    """The log's retention protects every event that would have to go (STATUS_LOG_FILE_FULL)."""

    status: Final = 0xC0000188


class ServerUnreachableError(BindpostError):
    """A command needed a running bindpost server and got no usable answer from it."""

    exit_code = EXIT_UNAVAILABLE
