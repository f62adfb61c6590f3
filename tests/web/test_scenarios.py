"""Lab scenarios over HTTP: told of, run with real programs, followed, stopped, and refused."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from bindpost.client import Client, ScenarioRefusedError
from bindpost.config.endpoint import Endpoint
from bindpost.config.scenario_file import names
from bindpost.server.findings.progress import Progress
from bindpost.server.findings.result import Check, LoggedEvent, PhaseResult, ScenarioResult, Visit
from bindpost.server.laboratory import Laboratory
from bindpost.server.store.memory import MemoryStore
from bindpost.server.web import scenario_objects as objects
from bindpost.server.web.app import create_app
from bindpost.server.web.run_rule import RunRule
from bindpost.server.web.server import WebServer

from ..clock import Clock
from ..fixtures import clock_of_the_loop as clock_of_the_loop
from .laboratory import ANYBODY, app_over, laboratory
from .test_api_docs import section
from .test_stream import Events

API = "/api/bindpost/v1/scenarios"


@pytest.fixture
def alive(tmp_path: Path) -> Path:
    """Give a FIFO that ends when the last program of the hanging scenario has ended."""
    path = tmp_path / "alive"
    os.mkfifo(path)
    return path


@pytest.fixture
async def lab(tmp_path: Path, alive: Path) -> AsyncIterator[Laboratory]:
    """Give a laboratory with a short scenario and one that hangs."""
    lab = laboratory(tmp_path / "lab", alive)
    yield lab
    await lab.close()


def client_of(lab: Laboratory, store: MemoryStore, rule: RunRule = ANYBODY) -> httpx.AsyncClient:
    """Give a client of the app over a laboratory."""
    transport = httpx.ASGITransport(app_over(lab, store, rule))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8025")


@pytest.fixture
async def client(lab: Laboratory, store: MemoryStore) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the app over it, who may run scenarios."""
    async with client_of(lab, store) as client:
        yield client


async def told_until(lab: Laboratory, kind: str, after: int = 0) -> list[objects.Told]:
    """Give what is told behind a cursor, up to the first of a kind."""
    found = []
    async with aclosing(lab.follow(after)) as progress:
        async for told in progress:
            found.append(told)
            if told.kind == kind:
                break
    return found


async def begin_hanging(client: httpx.AsyncClient, alive: Path) -> int:
    """Start the scenario that hangs; gives the FIFO, when its program runs."""
    assert (await client.post(f"{API}/hanging/run")).status_code == 202
    return await asyncio.to_thread(os.open, alive, os.O_RDONLY)


async def test_all_are_listed(client: httpx.AsyncClient) -> None:
    """Each of bindpost's own and of the settings' folder, with its phases and how it stands."""
    answer = (await client.get(API)).json()

    listed = {scenario["name"]: scenario for scenario in answer["scenarios"]}
    assert list(listed) == [*names(), "short", "hanging"]
    assert answer["refusal"] == ""
    assert listed["short"]["phases"][0] == {
        "name": "fault",
        "title": "The address is not ours",
        "kind": "fault",
    }
    assert (listed["short"]["state"], listed["short"]["since"]) == ("idle", None)


async def test_a_run_from_its_start_to_its_verdict(
    client: httpx.AsyncClient, lab: Laboratory, tmp_path: Path, store: MemoryStore
) -> None:
    """It is told step by step, ends with result, report and evidence, and outlives a restart."""
    answer = await client.post(f"{API}/short/run")
    assert (answer.status_code, answer.json()["state"]) == (202, "running")

    told = await told_until(lab, "ended")

    assert [one.sequence for one in told] == list(range(1, len(told) + 1))
    kinds = [one.kind for one in told]
    assert (kinds[0], kinds[-1], kinds.count("phase")) == ("begun", "ended", 2)
    (failure,) = [one for one in told if one.event is not None and one.event.id == 4007]
    assert (failure.phase, failure.event and failure.event.strings) == ("fault", ("10049",))
    assert [one.words for one in told if one.kind == "verdict"] == ["holds", "holds"]

    found = (await client.get(f"{API}/short")).json()
    assert (found["state"], found["result"]["outcome"]) == ("held", "held")
    assert [one["sequence"] for one in found["progress"]] == [one.sequence for one in told]
    evidence = Path(found["result"]["phases"][0]["folder"])
    assert evidence.is_relative_to(tmp_path / "lab")
    assert '"EventID":4007' in (evidence / "console.jsonl").read_text()
    report = await client.get(found["report"])
    assert "10049" in report.text
    assert "script-src" not in report.headers["content-security-policy"]
    assert "sandbox" in report.headers["content-security-policy"]

    page = (await client.get("/path/short")).text
    for words in ("holds", "4007", "10049", "Run again", "4 of 4 hold", "<code>address</code>"):
        assert words in page
    assert "held" in (await client.get("/path?part=scenarios")).text

    later = laboratory(tmp_path / "lab")
    async with client_of(later, store) as another:
        again = (await another.get(f"{API}/short")).json()
    assert (again["state"], again["result"]) == ("held", found["result"])
    assert again["progress"] == []


async def test_one_phase_alone(client: httpx.AsyncClient, lab: Laboratory) -> None:
    """`only` runs a phase with those that it goes on from, and none else; an unknown one is 404."""
    answer = await client.post(f"{API}/short/run", params={"only": "nothing"})
    assert (answer.status_code, answer.text) == (
        404,
        "short has no phase 'nothing'; it has fault, again.",
    )

    assert (await client.post(f"{API}/short/run", params={"only": "fault"})).status_code == 202
    told = await told_until(lab, "ended")

    assert [one.phase for one in told if one.kind == "phase"] == ["fault"]
    assert told[-1].words == "held"


async def test_one_at_a_time(client: httpx.AsyncClient, alive: Path) -> None:
    """A second run is a conflict; a stop ends the first with its programs, and is no second one."""
    fifo = await begin_hanging(client, alive)

    for name in ("hanging", "short"):
        answer = await client.post(f"{API}/{name}/run")
        assert (answer.status_code, answer.text) == (
            409,
            "hanging runs, and one scenario runs at a time: wait, or stop it.",
        )
    assert (await client.post(f"{API}/short/stop")).status_code == 409
    assert "Look again" in (await client.get("/path/hanging")).text
    answer = await client.post(f"{API}/hanging/stop")
    assert (answer.status_code, answer.json()["state"]) == (200, "stopped")
    assert os.read(fifo, 1) == b"", "everything has ended"
    os.close(fifo)
    assert (await client.post(f"{API}/hanging/stop")).status_code == 409


async def test_a_server_that_ends(client: httpx.AsyncClient, lab: Laboratory, alive: Path) -> None:
    """With the server the run ends, and so do its programs."""
    fifo = await begin_hanging(client, alive)

    await lab.close()

    assert os.read(fifo, 1) == b""
    os.close(fifo)


async def test_a_run_has_a_time_limit(store: MemoryStore, alive: Path, clock: Clock) -> None:
    """What takes too long is ended, with its programs, and has failed for that reason."""
    lab = laboratory(None, alive, run_limit=30)
    async with client_of(lab, store) as client:
        fifo = await begin_hanging(client, alive)
        await clock.move_on(30)
        told = await told_until(lab, "ended")

        assert told[-1].words == "failed: it had not ended after 30 seconds"
        assert os.read(fifo, 1) == b""
        os.close(fifo)
        assert "it had not ended after 30 seconds" in (await client.get("/path/hanging")).text
    await lab.close()


async def test_no_other_site_runs_anything(client: httpx.AsyncClient, lab: Laboratory) -> None:
    """A page from elsewhere, which browsers name, gets 403, by API and by form; nothing runs."""
    for path in (f"{API}/short/run", "/path/short/run"):
        for origin in ("http://evil.example", "http://localhost:9999", "null"):
            answer = await client.post(path, headers={"Origin": origin})
            assert answer.status_code == 403
    assert (await client.get("/path/short/run")).status_code == 405
    assert lab.sequence == 0


RULES = {
    "off": (RunRule("off", lambda: False, needs_login=True), "lab.from_web is off"),
    "exposed": (RunRule("loopback", lambda: True, needs_login=False), "other machines reach"),
    "login": (RunRule("loopback", lambda: True, needs_login=True), 'lab.from_web = "on"'),
    "open": (RunRule("on", lambda: True, needs_login=False), "set web_access.users"),
}


@pytest.mark.parametrize("case", RULES)
async def test_no_stranger_runs_anything(lab: Laboratory, store: MemoryStore, case: str) -> None:
    """Where others reach the server, or it is off, runs are refused, told why, and readable."""
    rule, words = RULES[case]
    async with client_of(lab, store, rule) as client:
        for path in (f"{API}/short/run", f"{API}/short/stop", "/path/short/run"):
            answer = await client.post(path)
            assert (answer.status_code, words in answer.text) == (403, True)
        assert words in (await client.get(API)).json()["refusal"]
        page = (await client.get("/path/short")).text
    assert "<button id=" not in page.partition("<main")[2]
    assert words in page.replace("&#34;", '"')
    assert lab.sequence == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.5"},
        {"Forwarded": "for=203.0.113.5"},
        {"Via": "1.1 proxy"},
        {"Host": "mail.example"},
    ],
    ids=lambda headers: next(iter(headers)),
)
async def test_who_comes_through_a_proxy_is_a_stranger(
    lab: Laboratory, store: MemoryStore, headers: dict[str, str]
) -> None:
    """A reverse proxy on this machine lets others in, so its requests need a login."""
    for login in (True, False):
        rule = RunRule("loopback", lambda: False, needs_login=login)
        app = create_app(
            store,
            ready=lambda: True,
            version="1",
            hosts=["mail.example"],
            scenarios=lab,
            run_rule=rule,
        )
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            refusal = (await client.get(API, headers=headers)).json()["refusal"]
        assert ("through a reverse proxy" in refusal) is not login


async def test_who_has_logged_in_may(lab: Laboratory, store: MemoryStore) -> None:
    """With from_web = "on" a login is enough, wherever the server is reached from."""
    async with client_of(lab, store, RunRule("on", lambda: True, needs_login=True)) as client:
        assert (await client.get(API)).json()["refusal"] == ""


@pytest.mark.parametrize(
    "name",
    ["nothing", "%2e%2e%2fmine.toml", "/tmp/mine.toml", "mine.toml", "x" * 5000, "%00"],
)
async def test_a_name_is_never_a_path(
    client: httpx.AsyncClient, lab: Laboratory, tmp_path: Path, name: str
) -> None:
    """404 for whatever is no scenario's name, as for a file that is one."""
    (tmp_path / "mine.toml").write_text("title = 'mine'")

    for path in (f"{API}/{name}/run", f"{API}/{name}/stop", f"/path/{name}/run"):
        assert (await client.post(path)).status_code in (404, 405)
    for path in (f"{API}/{name}", f"{API}/{name}/report", f"/path/{name}"):
        assert (await client.get(path)).status_code == 404
    assert lab.sequence == 0


async def test_a_form_leads_back_to_the_page(client: httpx.AsyncClient, lab: Laboratory) -> None:
    """Without scripts forms run and stop it; the page lets them say where they are from."""
    origin = {"Origin": "http://localhost:8025"}

    for verb in ("run", "stop"):
        answer = await client.post(f"/path/hanging/{verb}", headers=origin)
        assert (answer.status_code, answer.headers["location"]) == (303, "/path/hanging")

    page = await client.get("/path/hanging")
    assert page.headers["referrer-policy"] == "same-origin"
    assert "it was stopped" in page.text


async def test_evidence_that_can_not_be_kept(store: MemoryStore, tmp_path: Path) -> None:
    """The run fails before anything is started, says why, and another may be tried."""
    (tmp_path / "file").touch()
    lab = laboratory(tmp_path / "file")
    async with client_of(lab, store) as client:
        for seen in range(2):
            assert (await client.post(f"{API}/hanging/run")).status_code == 202
            told = await told_until(lab, "ended", after=seen)
            found = (await client.get(f"{API}/hanging")).json()
            assert "its evidence can't be kept" in told[-1].words
            assert (found["state"], found["report"]) == ("failed", None)
            assert (await client.get(f"{API}/hanging/report")).status_code == 404
    await lab.close()


@pytest.mark.parametrize(
    ("after", "seen", "first"),
    [("0", None, 1), ("999", None, 1), ("1", None, 2), ("0", "2", 3)],
    ids=["replay", "another server's", "after", "last seen"],
)
async def test_the_stream_goes_on_from_a_cursor(
    client: httpx.AsyncClient,
    lab: Laboratory,
    store: MemoryStore,
    after: str,
    seen: str | None,
    first: int,
) -> None:
    """What is remembered behind a cursor comes first; a header counts more than the query."""
    assert (await client.post(f"{API}/hanging/run")).status_code == 202
    await told_until(lab, "phase")
    await client.post(f"{API}/hanging/stop")
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(app_over(lab, store))
    headers = {} if seen is None else {"Last-Event-ID": seen}
    try:
        async with (
            httpx.AsyncClient(base_url=server.url) as asking,
            asking.stream(
                "GET", f"{API}/stream", params={"after": after}, headers=headers
            ) as answer,
        ):
            told = Events(answer)
            found = [await told.next() for _ in range(3 - first + 1)]
    finally:
        await server.stop()

    assert [number for _, number, _ in found] == list(range(first, 4))
    kind, _, data = found[-1]
    assert (kind, data["kind"], data["scenario"], data["words"]) == (
        "ended",
        "ended",
        "hanging",
        "stopped: it was stopped",
    )


async def test_from_python(lab: Laboratory, store: MemoryStore) -> None:
    """The client lists, runs and stops them, and tells what the server says against it."""
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(app_over(lab, store))
    client = Client(server.url)

    def ask() -> list[str]:
        with pytest.raises(ScenarioRefusedError, match="There is no scenario 'nothing'"):
            client.run_scenario("nothing")
        begun = client.run_scenario("hanging", only="fault")
        with pytest.raises(ScenarioRefusedError, match="one scenario runs at a time"):
            client.run_scenario("short")
        return [begun.state, client.scenarios()[-1].state, client.stop_scenario("hanging").state]

    try:
        assert await asyncio.to_thread(ask) == ["running", "running", "stopped"]
    finally:
        await server.stop()


async def test_an_app_without_a_laboratory(http: httpx.AsyncClient) -> None:
    """There are none then, and nobody may run any."""
    assert (await http.get(API)).json()["scenarios"] == []
    assert (await http.get(f"{API}/q203116")).status_code == 404
    assert (await http.post(f"{API}/q203116/run")).status_code == 403
    assert "Scenarios" not in (await http.get("/path")).text


def test_the_page_tells_every_key() -> None:
    """docs/api.md names each key of a scenario, of its result and of what is told of a run."""
    told = section(f"GET {API}/{{name}}") + section(f"GET {API}") + section(f"GET {API}/stream")

    kinds = (objects.Scenarios, objects.WholeScenario, objects.Phase, objects.Told)
    found = (ScenarioResult, PhaseResult, Check, LoggedEvent, Visit, Progress)
    words = set(re.findall(r"[a-z_]+", told))
    for kind in (*kinds, *found):
        assert set(kind.__struct_fields__) <= words, kind
