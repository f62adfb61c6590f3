"""What all tests share: the loop, outside programs, long tests, and that CI skips nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings
from lxml import etree  # type: ignore[import-untyped]

from bindpost import events
from bindpost.server.eventlog import EventRecord, Failure
from bindpost.server.indexer.building import Building
from bindpost.server.indexer.file import IndexFile
from bindpost.server.indexer.postgres import PostgresBuilding
from bindpost.server.store.postgres import PostgresStore
from bindpost.server.store.postgres_connection import Server, Session
from bindpost.server.store.sqlite import SqliteStore
from bindpost.server.store.sqlite_connection import open_reader
from bindpost.testing.postgres import PostgresServer

IN_CI = os.environ.get("CI") == "true"
UNPACKED = Path(__file__).parents[1] / ".cache" / "debian"
"""Where packages are that conflict with others of the list (scripts/lib/debian.sh)."""
PROGRAM_FOLDERS = os.pathsep.join(
    [
        os.environ.get("PATH", os.defpath),
        "/usr/local/sbin",
        "/usr/sbin",
        "/usr/lib/postfix/sbin",
        "/lib/systemd",
        *map(str, Path("/usr/lib/postgresql").glob("*/bin")),
        str(UNPACKED / "usr" / "sbin"),
    ]
)

# How long an example takes says more of the machine than of the code.
settings.register_profile("bindpost", deadline=None)
settings.load_profile("bindpost")


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio, the only loop that bindpost knows."""
    return "asyncio"


@pytest.fixture(scope="session")
def program() -> Callable[[str], Path]:
    """
    Give the path of an outside program by its name; where it is absent, skip the test by that name.

    Each belongs into scripts/lib/debian-packages.txt: in CI none may be absent.
    """

    def find(name: str) -> Path:
        path = shutil.which(name, path=PROGRAM_FOLDERS)
        if path is None:
            pytest.skip(f"{name} is not installed")
        return Path(path)

    return find


@pytest.fixture(scope="session")
def postgres(program: Callable[[str], Path]) -> Iterator[PostgresServer]:
    """Give a PostgreSQL server; a test makes itself a schema on it."""
    server = PostgresServer(program("initdb"), program("pg_ctl"))
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def bind_failed() -> EventRecord:
    """Give a record of 4007 with 10050."""
    return EventRecord(
        time=datetime(2026, 11, 23, 15, 0, 8, 740073, tzinfo=UTC),
        level="error",
        logger="bindpost.listener",
        message=events.BIND_FAILED.sentence({"wsa_error": 10050}),
        host="EXCH55",
        process_id=16982,
        thread_id=1,
        fields={"wsa_error": 10050},
        failure=Failure(code="10050", type="WSAENETDOWN", message="Network is down"),
        definition=events.BIND_FAILED,
        record_id=1,
        strings=("10050",),
    )


@pytest.fixture(scope="session")
def check_event() -> Callable[[str], None]:
    """Give what fails for text that is no event XML, by the schema in tests/schemas."""
    schema = etree.XMLSchema(file=str(Path(__file__).parent / "schemas" / "event.xsd"))

    def check(text: str) -> None:
        schema.assertValid(etree.fromstring(text, etree.XMLParser(huge_tree=True)))

    return check


def index_now(store: SqliteStore | PostgresStore, *, steps: int | None = None) -> None:
    """Bring the index of a store up to date, or do so many steps of that, and vouch for it."""
    if isinstance(store, PostgresStore):
        _index_postgres(store, steps=steps)
    else:
        _index_sqlite(store, steps=steps)


def _index_postgres(store: PostgresStore, *, steps: int | None) -> None:
    store.index.take()
    with closing(Session(Server(store.index.database))) as session:
        building = PostgresBuilding(session)
        while (steps is None or steps > 0) and building.step():
            steps = None if steps is None else steps - 1
        store.index.trust(building.upto)


def _index_sqlite(store: SqliteStore, *, steps: int | None) -> None:
    path = store.index.path
    is_damaged = store.index.take().is_damaged
    with closing(open_reader(path.with_name("mail.db"))) as mail:
        index = IndexFile(path)
        if is_damaged:
            index.remake("a search could not read it")
        building = Building(index, mail, ending=lambda: False)
        building.compare()
        while (steps is None or steps > 0) and building.step():
            steps = None if steps is None else steps - 1
        store.index.trust(index.state().upto, is_new=bool(index.rebuilt))
        index.close()


@pytest.fixture(scope="session")
def make_index() -> Callable[..., None]:
    """Give what makes the search index of a store in this process, as the indexer would."""
    return index_now


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that the long tests wait for."""
    parser.addoption("--long", action="store_true", help="also run the tests marked `long`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests marked `long`, unless asked for them."""
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a test's skip into a failure in CI."""
    report = yield
    if IN_CI:
        _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a whole module's skip into a failure in CI."""
    report = yield
    if IN_CI:
        _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """An expected failure is reported as skipped too, and stays what it is."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped, and in CI nothing may be: {reason}"
