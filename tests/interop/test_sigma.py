"""pySigma: the kit's rules are sound, and as SQL they find their events in a real JSON log."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sigma.backends.sqlite.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.pipelines.elasticsearch.windows import ecs_windows
from sigma.pipelines.windows.windows import windows_logsource_pipeline
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaRule
from sigma.validation import SigmaValidator
from sigma.validators.core import validators

from bindpost.proxy.socks.standin import SocksServer
from bindpost.server.eventlog.kit import write_kit
from bindpost.testing import Serve

Rows = Sequence[Mapping[str, Any]]
PIPELINES: dict[str, Callable[[], ProcessingPipeline | None]] = {
    "as it is": lambda: None,
    "windows": windows_logsource_pipeline,
    "ecs_windows": ecs_windows,
}
EVENTS = {
    "win_application_msexchangeimc_bind_listener.yml": ("MSExchangeIMC", 4007),
    "win_application_msexchangeimc_service_start.yml": ("MSExchangeIMC", 4020),
    "win_application_bindpost_path_lost.yml": ("bindpost", 103),
}


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Give the folder with the kit's rules."""
    write_kit(tmp_path / "kit")
    return tmp_path / "kit" / "sigma"


def flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give a document's values under dotted names; of a list, its text."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value) if isinstance(value, list) else value


def find(records: Rows, query: str) -> list[tuple[str, int]]:
    """Load a log into SQLite, a column for each dotted name, and give what a query finds."""
    rows = [dict(flat(record)) for record in records]
    # Names in lower and upper case are one to SQLite; none differ in that alone.
    names = {name.lower(): name for row in rows for name in row}
    with sqlite3.connect(":memory:") as database:
        database.row_factory = sqlite3.Row
        database.execute(f"CREATE TABLE logs ({', '.join(f'`{name}`' for name in names.values())})")
        for row in rows:
            columns = ", ".join(f"`{name}`" for name in row)
            marks = ", ".join("?" for _ in row)
            database.execute(f"INSERT INTO logs ({columns}) VALUES ({marks})", [*row.values()])
        found = database.execute(query).fetchall()
    database.close()
    return [(row["Provider_Name"], row["EventID"]) for row in found]


def check(rules: Path, pipeline: str, records: Rows, *, present: Collection[str]) -> None:
    """See that each rule finds all records of its event, the others nothing."""
    for name, event in EVENTS.items():
        rule = SigmaCollection.load_ruleset([rules / name])
        backend = sqliteBackend(PIPELINES[pipeline]())  # type: ignore[no-untyped-call]
        (query,) = backend.convert(rule)
        logged = [
            event
            for record in records
            if (record.get("Provider_Name"), record.get("EventID")) == event
        ]
        assert bool(logged) == (name in present)
        assert find(records, query) == logged, query


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_failed_start_is_found(serve: Serve, rules: Path, pipeline: str) -> None:
    """In the log of a start that failed the rules for 4007 and 4020 find their event only."""
    serving = serve("--via", "winsock://127.0.0.1:1")
    assert serving.wait_end() == 69

    check(rules, pipeline, serving.records, present=list(EVENTS)[:2])


@pytest.mark.parametrize("pipeline", PIPELINES)
async def test_a_lost_path_is_found(serve: Serve, rules: Path, pipeline: str) -> None:
    """When the proxy ends, the path is lost and can't be bound again: 103, then 4007; no 4020."""
    async with SocksServer() as proxy:
        serving = serve("--via", proxy.url(), listen="0.0.0.0:0")
        await asyncio.to_thread(serving.wait_ready)
    await asyncio.to_thread(serving.wait_for, lambda record: record.get("EventID") == 4007)
    assert await asyncio.to_thread(serving.stop) == 0

    names = set(EVENTS) - {"win_application_msexchangeimc_service_start.yml"}
    check(rules, pipeline, serving.records, present=names)


@pytest.mark.parametrize("name", EVENTS)
def test_each_rule_is_valid(rules: Path, name: str) -> None:
    """Each rule passes every check that pySigma has."""
    (rule,) = SigmaCollection.load_ruleset([rules / name])
    assert isinstance(rule, SigmaRule)
    validator = SigmaValidator(set(validators.values()))

    assert [str(issue) for issue in validator.validate_rule(rule)] == []
    assert validator.finalize() == []


def test_there_are_no_other_rules(rules: Path) -> None:
    """Every rule of the kit is looked at here."""
    assert {path.name for path in rules.iterdir()} == set(EVENTS)
