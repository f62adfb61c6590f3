"""docs/events.md: the catalogue in it is made from the code, and its examples are real output."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bindpost import events
from bindpost.events import CATALOGUE, EventType
from bindpost.server.eventlog.console_form import ConsoleRenderer
from bindpost.server.eventlog.json_form import render_json
from bindpost.server.eventlog.record import RecordMaker

PAGE = Path(__file__).parents[2] / "docs" / "events.md"


@pytest.fixture(scope="module")
def page() -> str:
    """Give the page's text."""
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture
def example() -> dict[str, object]:
    """Give the 4007 of the page's examples, made as the log makes it."""
    record = logging.makeLogRecord(
        {
            "name": "bindpost.listener",
            "levelname": "ERROR",
            "created": 1795446008.740073,
            "process": 4321,
        }
    )
    fields = {
        "wsa_error": 10050,
        "listener": "127.0.0.1:25",
        "endpoint": "127.0.0.1:25",
        "via": "winsock://10.0.0.1:1745",
        "hop": "connect",
        "reason": "no answer to 3 datagrams",
        "hint": "see that the proxy runs",
    }
    meta = {"event": events.BIND_FAILED, "_record": record, "_from_structlog": True}
    made = RecordMaker("EXCH55")(None, "error", meta | fields)["record"]
    return {"record": replace(made, record_id=1, thread_id=4321)}


def _block(page: str, language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)\n```", page, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("event", CATALOGUE, ids=lambda event: f"{event.source}-{event.id}")
def test_every_event_has_a_section(page: str, event: EventType) -> None:
    """Each event has a heading with its number, its explanation and what to do."""
    section = page.partition(f"\n### {event.id} ")[2].partition("\n### ")[0]

    assert event.explanation in section
    assert event.remedy in section
    assert all(f"`{name}`" in section for name in event.parameters + event.details)


def test_the_json_example_is_what_is_logged(page: str, example: dict[str, object]) -> None:
    """The example of 4007 is a real record, field by field and in the same order."""
    logged = json.loads(render_json(None, "error", example))
    shown = json.loads(_block(page, "json"))

    assert json.dumps(shown) == json.dumps(logged)


def test_the_console_example_is_what_is_logged(page: str, example: dict[str, object]) -> None:
    """The console line of 4007 is a real one."""
    line = ConsoleRenderer(colours=False)(None, "error", example)

    assert _block(page, "text") == line
