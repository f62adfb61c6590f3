"""Events on their way into the event store, and back."""

from __future__ import annotations

from collections import Counter

from bindpost.errors import StoreError
from bindpost.events import Category, EventType, Level, find_type

from ..store.events import EventStore, KeptEvent, NewEvent
from .record import EventRecord, Failure


def keep(record: EventRecord, node: str) -> NewEvent:
    """Give the event of a record that has a definition, as a node keeps it."""
    definition = record.definition
    assert definition is not None
    return NewEvent(
        time=record.time,
        source=definition.source,
        id=definition.id,
        type=definition.level,
        category=definition.category.number,
        category_name=definition.category.title,
        identifier=definition.identifier,
        computer=node,
        logger=record.logger,
        process_id=record.process_id,
        thread_id=record.thread_id,
        message=record.message,
        strings=record.strings,
        fields=dict(record.fields),
        error=_error(record.failure),
    )


def recall(event: KeptEvent) -> EventRecord:
    """Give the record of a kept event; its cursor is the record's number."""
    return EventRecord(
        time=event.time,
        level=Level(event.type).logging_name,
        logger=event.logger,
        message=event.message,
        host=event.computer,
        process_id=event.process_id,
        thread_id=event.thread_id,
        fields=event.fields,
        failure=Failure(**event.error) if event.error else None,
        definition=_definition(event),
        record_id=event.cursor,
        strings=event.strings,
    )


def _definition(event: KeptEvent) -> EventType:
    """Give the catalogue's definition, or what is left of one that another version knew."""
    known = find_type(event.source, event.id)
    if known and (known.level, known.category.number) == (event.type, event.category):
        return known
    categories = {category.number: category for category in Category}
    return EventType(
        id=event.id,
        source=event.source,
        symbol=f"EVENT_{event.id}",
        level=Level(event.type),
        category=categories.get(event.category, Category.INTERNAL),
        template=event.message,
        action=f"event-{event.id}",
        explanation="",
        remedy="",
    )


class StoreSink:
    """
    Keeps each event in a node's event store, and counts it by its number in `counts`.

    Several nodes may live in one process, whose log has one computer name.
    """

    name = "store"
    takes_text = False

    def __init__(self, store: EventStore, counts: Counter[int], *, node: str) -> None:
        self._store = store
        self._node = node
        self._counts = counts

    def write(self, record: EventRecord) -> None:
        """Keep a record. Raises `OSError` when the store can't now."""
        event = keep(record, self._node)
        try:
            self._store.append(event)
        except StoreError as error:
            raise OSError(str(error)) from error
        self._counts[event.id] += 1

    def close(self) -> None:
        """Do nothing: the store is its owner's."""


def _error(failure: Failure | None) -> dict[str, str]:
    if failure is None:
        return {}
    return {
        name: text
        for name in ("code", "type", "message", "stack_trace")
        if (text := getattr(failure, name))
    }
