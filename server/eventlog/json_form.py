"""The JSON form: one line a record, named as ECS, winlogbeat and Sigma name things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from structlog.typing import EventDict, WrappedLogger

from bindpost.events import IMS, EventType, Level

from .plain import Plain
from .record import EventRecord, Failure
from .winlog import CHANNEL, keywords, level_name, level_number

ECS_VERSION: Final = "8.17.0"

_OUTCOME: Final = {
    Level.ERROR: "failure",
    Level.AUDIT_FAILURE: "failure",
    Level.INFORMATION: "success",
    Level.AUDIT_SUCCESS: "success",
}

Document = dict[str, Plain]


def render_json(_logger: WrappedLogger, _name: str, event_dict: EventDict) -> str:
    """Render the record as one line of JSON."""
    return msgspec.json.encode(document(event_dict["record"])).decode()


def document(record: EventRecord) -> Document:
    """Give a record's fields by their names in the log; what has no value is left out."""
    definition = record.definition
    process: Document = {"pid": record.process_id, "thread": {"id": record.thread_id}}
    out: Document = {
        "@timestamp": record.timestamp,
        "message": record.message,
        "log": {"level": record.level, "logger": record.logger},
        "ecs": {"version": ECS_VERSION},
        "event": _event(definition) if definition else None,
        "error": _error(record.failure) if record.failure else None,
        "winlog": _winlog(record, definition) | {"process": process} if definition else None,
        "host": {"hostname": record.host},
        "process": process,
        "service": {"name": "bindpost", "node": {"name": record.host}},
        **(_sigma(record, definition) if definition else {}),
        "bindpost": _fields(record.fields),
    }
    return _kept(out)


def _error(failure: Failure) -> Document:
    return _kept(
        {
            "code": failure.code or None,
            "type": failure.type or None,
            "message": failure.message or None,
            "stack_trace": failure.stack_trace or None,
        }
    )


def _event(definition: EventType) -> Document:
    category, kind = definition.ecs
    exchange = definition.source == IMS
    return _kept(
        {
            "kind": "event",
            "code": str(definition.id),
            "provider": definition.source,
            "action": definition.action,
            "category": [category],
            "type": [kind],
            "outcome": _OUTCOME.get(definition.level),
            "severity": level_number(definition.level),
            "module": "exchange" if exchange else "bindpost",
            "dataset": "exchange.imc" if exchange else "bindpost.log",
        }
    )


def _winlog(record: EventRecord, definition: EventType) -> Document:
    return _kept(
        {
            "channel": CHANNEL,
            "provider_name": definition.source,
            "event_id": definition.id,
            "computer_name": record.host,
            "level": level_name(definition.level),
            "task": definition.category.title,
            "opcode": "Info",
            "keywords": [*keywords(definition.level)],
            "record_id": record.record_id,
            "event_data": {f"param{n}": text for n, text in enumerate(record.strings, start=1)},
        }
    )


def _sigma(record: EventRecord, definition: EventType) -> Document:
    """Give the flat names of Windows event fields that Sigma rules and Splunk searches use."""
    return {
        "Provider_Name": definition.source,
        "EventID": definition.id,
        "EventCode": definition.id,
        "Qualifiers": definition.qualifiers,
        "Channel": CHANNEL,
        "Level": level_number(definition.level),
        "Task": definition.category.number,
        "Computer": record.host,
        "Data": list(record.strings) or None,
    }


def _fields(fields: Mapping[str, Plain]) -> Document:
    return _kept({k: _fields(v) if isinstance(v, dict) else v for k, v in fields.items()})


def _kept(document: Document) -> Document:
    """Leave out the keys that have no value."""
    return {key: value for key, value in document.items() if value is not None and value != {}}
