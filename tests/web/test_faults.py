"""The routes of faults, and their two faces: Mailpit's chaos and MailHog's Jim."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from bindpost.config.fault import Fault
from bindpost.config.model import WebAccess
from bindpost.server.faults import Facts, Faults
from bindpost.server.faults.presets import load_presets
from bindpost.server.store.memory import MemoryStore
from bindpost.server.web.access import Access
from bindpost.server.web.app import Compatibility, create_app

OWN = "/api/bindpost/v1/faults"
RULE = {"name": "full", "stage": "RCPT", "action": "reply", "code": 552}


@pytest.fixture
def faults() -> Faults:
    """Give faults that the settings have one of."""
    return Faults([Fault(name="given", stage="QUIT", action="drop")])


@pytest.fixture
async def http(store: MemoryStore, faults: Faults) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an app over these faults, with chaos enabled."""
    app = create_app(
        store,
        ready=lambda: True,
        version="1",
        faults=faults,
        compatibility=Compatibility(chaos=True),
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_a_rule_is_added_read_changed_and_removed(
    http: httpx.AsyncClient, faults: Faults
) -> None:
    """Each step tells the rule as it is then."""
    added = await http.post(OWN, json=RULE)
    assert (added.status_code, added.json()["summary"]) == (201, "reply 552 at RCPT")
    assert added.json()["origin"] == "api"

    changed = await http.put(f"{OWN}/full", json=RULE | {"action": "drop", "expires": 60})
    assert (changed.status_code, changed.json()["summary"]) == (200, "drop at RCPT")
    assert 59 < changed.json()["seconds_left"] <= 60
    assert (await http.get(f"{OWN}/full")).json()["rule"]["action"] == "drop"
    assert [one["name"] for one in (await http.get(OWN)).json()["faults"]] == ["given", "full"]

    assert (await http.delete(f"{OWN}/full")).status_code == 204
    assert [one.fault.name for one in faults.rules] == ["given"]
    for method in ("GET", "PUT", "DELETE"):
        gone = await http.request(method, f"{OWN}/full", json=RULE)
        assert (gone.status_code, gone.text) == (404, "There is no fault of the name 'full'.")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{", "The body is not readable"),
        ('{"stage": "RCPT", "action": "reply", "cod": 1}', "did you mean code?"),
        ('{"stage": "RCPT", "action": "explode"}', 'action: expected one of "reply", "delay", '),
        ('{"action": "reply"}', 'stage: is missing; it must be one of "accept", "banner", '),
        ('{"stage": "RCPT", "action": "lose"}', "Nothing was added: the stage RCPT has no action"),
        (
            '{"stage": "MAIL", "action": "drop", "when": {"recipient": "x"}}',
            "Nothing was added: drop at MAIL can't depend on when.recipient, which can hold from",
        ),
        ('{"stage": "QUIT", "action": "drop", "name": "given"}', "'given' already"),
        ('{"stage": "QUIT", "action": "drop", "name": "log"}', "is no name for a fault"),
    ],
)
async def test_a_rule_that_can_not_be_is_refused(
    http: httpx.AsyncClient, faults: Faults, body: str, reason: str
) -> None:
    """The text says why, and nothing is added."""
    response = await http.post(OWN, content=body)

    assert response.status_code == 400
    assert reason.strip("'") in response.text
    assert len(faults.rules) == 1


async def test_what_fired_is_told_and_forgotten(http: httpx.AsyncClient, faults: Faults) -> None:
    """The log has who was struck; a reset empties it and begins the counts anew."""
    faults.decide("QUIT", Facts(listener="x", peer="10.0.0.1", sender="a@b"), session="s1")

    (fired,) = (await http.get(f"{OWN}/log")).json()["fired"]
    assert (fired["name"], fired["peer"], fired["session"]) == ("given", "10.0.0.1", "s1")
    assert (await http.get(f"{OWN}/log?after=1")).json() == {"fired": []}

    assert (await http.post(f"{OWN}/reset")).status_code == 204
    assert (await http.get(f"{OWN}/log")).json() == {"fired": []}
    assert (await http.get(f"{OWN}/given")).json()["fired"] == 0


async def test_the_authority_is_told(http: httpx.AsyncClient, faults: Faults) -> None:
    """It is that of the certificates of these faults."""
    response = await http.get(f"{OWN}/authority")

    assert response.headers["content-type"] == "application/x-pem-file"
    assert response.content == faults.certificates.authority


@pytest.mark.parametrize("path", [OWN, f"{OWN}/presets/tarpit", "/faults/use", "/api/v2/jim"])
async def test_who_may_not_write_adds_none(
    store: MemoryStore, faults: Faults, http: httpx.AsyncClient, path: str, tmp_path: Path
) -> None:
    """Without the login that other writes want, and from another site's page."""
    (tmp_path / "tokens").write_text("a-token-of-sixteen-letters\n", "utf-8")
    access = Access.load(WebAccess(tokens="tokens"), folder=tmp_path)
    app = create_app(store, ready=lambda: True, version="1", faults=faults, access=access)
    transport = httpx.ASGITransport(app)
    body = b"preset=tarpit" if path == "/faults/use" else msgspec.json.encode(RULE)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as closed:
        assert (await closed.post(path, content=body)).status_code == 401
    elsewhere = {"Origin": "https://evil.example"}
    assert (await http.post(path, content=body, headers=elsewhere)).status_code == 403

    assert [one.fault.name for one in faults.rules] == ["given"]


async def test_all_are_removed(http: httpx.AsyncClient, faults: Faults) -> None:
    """Those of the settings too."""
    assert (await http.delete(OWN)).json() == {"removed": 1}
    assert not faults.is_on


@pytest.mark.parametrize("name", load_presets())
async def test_a_preset_is_told_and_used(
    http: httpx.AsyncClient, faults: Faults, name: str
) -> None:
    """Each has a story, and its rules are put into force, narrowed as asked."""
    told = {one["name"]: one for one in (await http.get(f"{OWN}/presets")).json()["presets"]}
    assert len(told[name]["story"]) > 50

    used = await http.post(f"{OWN}/presets/{name}", json={"when": {"listener": "*:25"}})

    assert used.status_code == 201
    assert used.json()["left_out"] == []
    assert len(used.json()["faults"]) == len(told[name]["rules"])
    assert {one["rule"]["when"]["listener"] for one in used.json()["faults"]} == {"*:25"}
    again = await http.post(f"{OWN}/presets/{name}")
    assert (again.status_code, "already" in again.text) == (400, True)
    assert len(faults.rules) == 1 + len(told[name]["rules"])


async def test_a_preset_is_narrowed_and_changed(http: httpx.AsyncClient, faults: Faults) -> None:
    """The rules that can't be are named with a reason; if it is all of them, nothing is added."""
    body: Any = {"when": {"recipient": "*@one.test"}, "change": {"probability": 1}}
    used = (await http.post(f"{OWN}/presets/flaky-relay", json=body)).json()
    assert [one["name"] for one in used["left_out"]] == ["flaky-relay-1", "flaky-relay-2"]
    assert used["left_out"][0]["reason"].startswith("reply 421 at accept can't depend on")
    (rule,) = used["faults"]
    assert (rule["name"], rule["rule"]["probability"]) == ("flaky-relay-3", 1.0)

    for preset, body, reason in (
        ("q203116", {"when": {"recipient": "x"}}, "q203116 can't be narrowed so: bind-error"),
        ("tarpit", {"change": {"code": 450}}, "no rule of tarpit takes code"),
        ("tarpit", {"change": {"seconds": True}}, "The body is not readable"),
        ("tarpit", {"change": {"seconds": "1"}}, "seconds: expected a number from 0 to 86400"),
    ):
        refused = await http.post(f"{OWN}/presets/{preset}", json=body)
        assert (refused.status_code, reason in refused.text) == (400, True), refused.text
    assert len(faults.rules) == 2


async def test_an_unknown_preset_is_none(http: httpx.AsyncClient) -> None:
    """It is refused by its name."""
    response = await http.post(f"{OWN}/presets/nothing")

    assert response.status_code == 404
    assert response.text.startswith("There is no preset 'nothing'; there are flaky-relay, ")


async def test_the_page_adds_shows_and_removes(http: httpx.AsyncClient, faults: Faults) -> None:
    """It is made of forms, each of which leads back to it."""
    form = {"preset": "full-mailbox", "recipient": " *@one.test "}
    added = await http.post("/faults/use", data=form)
    location = "/faults?used=full-mailbox&recipient=%2A%40one.test"
    assert (added.status_code, added.headers["location"]) == (303, location)
    assert "Left out" not in (await http.get(location)).text
    faults.decide(
        "RCPT", Facts(listener="x", peer="10.0.0.9", sender="", recipients=("a@one.test",))
    )

    page = (await http.get("/faults")).text

    assert "recipient <code>*@one.test</code>" in page
    assert "<td>10.0.0.9</td>" in page
    assert "<code>&lt;a@one.test&gt;</code>" in page
    assert (await http.post("/faults/reset")).status_code == 303
    assert (await http.post("/faults/remove", data={"name": "full-mailbox-1"})).status_code == 303
    assert [one.fault.name for one in faults.rules] == ["given"]
    assert (await http.post("/faults/remove", data={"name": "full-mailbox-1"})).status_code == 404
    assert (await http.post("/faults/use", data={"preset": "nothing"})).status_code == 404


async def test_the_page_tells_what_is_left_out(http: httpx.AsyncClient) -> None:
    """Of a preset that is narrowed to a recipient; where that is all, it is refused."""
    form = {"preset": "tarpit", "recipient": "*@one.test"}
    location = (await http.post("/faults/use", data=form)).headers["location"]

    page = (await http.get(location)).text

    assert "<code>tarpit-1</code> (delay 2 s at banner)." in page
    assert (await http.post("/faults/use", data=form | {"preset": "q203116"})).status_code == 400
    for odd in ("used=q203116&recipient=x", "used=nothing", "used=tarpit"):
        assert "Left out" not in (await http.get(f"/faults?{odd}")).text


async def test_the_page_of_a_server_without_faults(http: httpx.AsyncClient, faults: Faults) -> None:
    """It says that there are none."""
    faults.clear()

    assert "None is in force." in (await http.get("/faults")).text


NO_CHAOS = {
    "Sender": {"ErrorCode": 451, "Probability": 0},
    "Recipient": {"ErrorCode": 451, "Probability": 0},
    "Authentication": {"ErrorCode": 535, "Probability": 0},
}


async def test_chaos_is_set_and_reset(http: httpx.AsyncClient, faults: Faults) -> None:
    """Triggers are rules, with Mailpit's words; what isn't given goes back, and `{}` resets all."""
    assert (await http.get("/api/v1/webui")).json()["ChaosEnabled"] is True
    assert (await http.get("/api/v1/chaos")).json() == NO_CHAOS

    wanted = {"Sender": {"ErrorCode": 550, "Probability": 100}, "Recipient": {"Probability": 5}}
    set_to = await http.put("/api/v1/chaos", json=wanted)

    assert set_to.json() == NO_CHAOS | {
        "Sender": {"ErrorCode": 550, "Probability": 100},
        "Recipient": {"ErrorCode": 451, "Probability": 5},
    }
    (struck,) = faults.decide("MAIL", Facts(listener="x"))
    assert (struck.code, struck.text) == (550, "Chaos sender error")
    assert (await http.put("/api/v1/chaos", json={})).json() == NO_CHAOS
    assert [one.fault.name for one in faults.rules] == ["given"]


@pytest.mark.parametrize(
    ("trigger", "text"),
    [
        ({"ErrorCode": 250, "Probability": 1}, "error code must be between 400 and 599"),
        ({"ErrorCode": 600, "Probability": 1}, "error code must be between 400 and 599"),
        ({"ErrorCode": 400, "Probability": 101}, "probability must be between 0 and 100"),
        ({"ErrorCode": 400, "Probability": -1}, "probability must be between 0 and 100"),
    ],
)
async def test_chaos_has_mailpits_bounds(
    http: httpx.AsyncClient, trigger: dict[str, int], text: str
) -> None:
    """Outside of them nothing is changed, and the text is Mailpit's."""
    response = await http.put("/api/v1/chaos", json={"Sender": trigger})

    assert (response.status_code, response.text) == (400, text)
    assert (await http.get("/api/v1/chaos")).json() == NO_CHAOS


async def test_jim_comes_and_goes(http: httpx.AsyncClient, faults: Faults) -> None:
    """Statuses are MailHog's; what Jim does are rules, and they go with him."""
    for method in ("GET", "PUT", "DELETE"):
        assert (await http.request(method, "/api/v2/jim", json={})).status_code == 404
    assert (await http.post("/api/v2/jim")).status_code == 201
    assert (await http.post("/api/v2/jim")).status_code == 400
    jim: dict[str, Any] = (await http.get("/api/v2/jim")).json()
    assert (jim["AcceptChance"], jim["DisconnectChance"]) == (0.99, 0.005)
    assert {"LinkSpeedAffect", "LinkSpeedMin", "LinkSpeedMax"} < jim.keys()

    quiet = dict.fromkeys(jim, 0.0) | {"AcceptChance": 1.0, "RejectRecipientChance": 1.0}
    assert (await http.put("/api/v2/jim", json=quiet)).status_code == 200

    assert [one.fault.name for one in faults.rules] == ["given", "jim-recipient"]
    assert (await http.put("/api/v2/jim", json={"AcceptChance": 2})).status_code == 400
    assert (await http.delete("/api/v2/jim")).status_code == 200
    assert [one.fault.name for one in faults.rules] == ["given"]
