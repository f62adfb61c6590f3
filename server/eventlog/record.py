"""EventRecord: what happened, as plain data; every form and every destination starts from it."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from structlog.typing import EventDict, WrappedLogger

from bindpost.events import EventType
from bindpost.log import said
from bindpost.proxy.wsa import name_of, text_of

from .plain import Plain, plain, plain_fields, plain_lines, plain_text
from .scope import current_scope

# What other handlers' formatters leave on a record, uvicorn's second copy of its message, and what
# was looked at already.
_NO_FIELDS: Final = frozenset(
    {"message", "asctime", "color_message", "bindpost", "_from_structlog"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """
    What went wrong, in ECS's terms; what is not known is empty.

    `code` is a Winsock error. `stack_trace` may have several lines.
    """

    code: str = ""
    type: str = ""
    message: str = ""
    stack_trace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """
    One line of the log. Every text in it can be shown as it is.

    `definition` is the catalogue entry, None for plain text and for other libraries' lines; with it
    come `strings`, the insertion strings, and `record_id`, counted from 1 in each process once the
    record is known to be shown. `host` is the computer name, which is the node's. `thread_id` is
    the system's number, 0 if not known. `fields` is what the call site and the context gave.
    `level` is the name of a logging level. `scope` names the app that it belongs to, empty outside
    of any.
    """

    time: datetime
    level: str
    logger: str
    message: str
    host: str
    process_id: int
    thread_id: int
    fields: Mapping[str, Plain]
    failure: Failure | None = None
    definition: EventType | None = None
    record_id: int | None = None
    strings: tuple[str, ...] = ()
    scope: str = ""

    @property
    def timestamp(self) -> str:
        """The time in UTC, as RFC 3339 has it, with microseconds."""
        return self.time.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


class RecordMaker:
    """
    The first processor of a formatter: makes the `EventRecord`, found under `record` afterwards.

    `host` is the computer name.
    """

    def __init__(self, host: str) -> None:
        self._host = plain_text(host)

    def __call__(self, _logger: WrappedLogger, _name: str, event_dict: EventDict) -> EventDict:
        """Make the record of one event dictionary, ours or another library's."""
        source: logging.LogRecord = event_dict.pop("_record")
        event = event_dict.pop("event", "")
        for name in _NO_FIELDS & event_dict.keys():
            del event_dict[name]
        if ours := said(source):
            event = ours.event
            event_dict.update(ours.fields)
        arguments = event_dict.pop("positional_args", ())
        stack = event_dict.pop("stack_info", None)
        error = _exception(event_dict.pop("exc_info", None))
        fields = plain_fields(event_dict.items())

        definition = event if isinstance(event, EventType) else None
        # A field that a call site forgot must not cost the event: its place shows `%1`.
        strings = definition.known_strings(fields) if definition else ()
        record = EventRecord(
            time=datetime.fromtimestamp(source.created, UTC),
            level=plain_text(source.levelname.lower()),
            logger=plain_text(source.name),
            message=definition.fill(strings) if definition else _message(event, arguments),
            host=self._host,
            process_id=source.process or 0,
            thread_id=_thread_id(source),
            fields=fields,
            failure=_failure(fields.get("wsa_error"), error, stack),
            definition=definition,
            strings=strings,
            scope=current_scope(),
        )
        return {"record": record}


def _thread_id(source: logging.LogRecord) -> int:
    """
    Give the system's number of the thread that logged, as `ps -L` and strace have it.

    `LogRecord.thread` is Python's own, on POSIX an address. 0 if another thread handles the record.
    """
    return threading.get_native_id() if source.thread == threading.get_ident() else 0


def _message(event: object, arguments: object) -> str:
    """Give a plain message, with its %-arguments put in if they fit."""
    text = event if isinstance(event, str) else str(plain(event))
    if not arguments:
        return plain_text(text)
    match arguments:
        case (Mapping() as named,):  # as logging itself takes a single mapping
            arguments = named
    try:
        return plain_text(text % arguments)
    except Exception:
        return plain_text(f"{text} {plain(arguments)}")


def _exception(exc_info: object) -> BaseException | None:
    """Find the exception in what logging calls exc_info: True, an exception or a triple."""
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
        case True:
            return sys.exc_info()[1]
    return None


def _failure(code: Plain, error: BaseException | None, stack: object) -> Failure | None:
    """Gather what is known of the error; a Winsock code names it better than an exception does."""
    known: dict[str, str] = {}
    if error is not None:
        known["type"] = plain_text(type(error).__name__)
        known["message"] = plain_text(_text_of(error))
        known["stack_trace"] = plain_lines(_trace_of(error))
    elif isinstance(stack, str):
        known["stack_trace"] = plain_lines(stack)
    if isinstance(code, int):
        known |= {"code": str(code), "type": name_of(code), "message": text_of(code)}
    return Failure(**known) if known else None


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(an exception without a text)"


def _trace_of(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)).rstrip("\n")
    except Exception:
        return ""
