"""`bindpost faults`, against a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bindpost.cli import main
from bindpost.config.endpoint import Endpoint
from bindpost.config.fault import When
from bindpost.config.load import load
from bindpost.server.faults import Facts, Faults
from bindpost.server.store.memory import MemoryStore
from bindpost.server.store.store import Retention
from bindpost.server.web.app import create_app
from bindpost.server.web.server import WebServer

Run = Callable[..., Coroutine[None, None, Result]]


@pytest.fixture
def faults() -> Faults:
    """Give the faults of the server."""
    return Faults()


@pytest.fixture
async def run(
    faults: Faults, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Run]:
    """Give a function that runs `bindpost faults` beside a server, whose settings name it."""
    store = MemoryStore(retention=Retention())
    app = create_app(store, ready=lambda: True, version="1", faults=faults)
    server = WebServer(Endpoint("127.0.0.1", 0))
    await server.bind()
    await server.serve(app)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BINDPOST_WEB", str(server.address))

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, main, ["faults", *arguments])

    yield run
    await server.stop()
    await store.close()


async def test_a_fault_is_added_listed_and_removed(run: Run, faults: Faults) -> None:
    """Keys of the rule and of its condition stand side by side."""
    added = await run("add", "rcpt", "reply", "code=552", "recipient=*@full.test", "name=full")
    assert added.output == "full  reply 552 at RCPT  met 0, fired 0\n"
    assert faults.get("full").fault.when.recipient == "*@full.test"
    assert json.loads((await run("list", "--json")).output)[0]["rule"]["code"] == 552

    assert (await run("remove", "full")).exit_code == 0
    assert (await run("list")).output == ""


async def test_a_condition_is_named_as_in_a_file(run: Run, faults: Faults) -> None:
    """Who takes a key from a rule that was exported may leave `when.` in front of it."""
    await run("add", "end-of-data", "drop", "when.larger-than=10", "when.tls=YES", "name=large")

    assert faults.get("large").fault.when == When(larger_than=10, tls="yes")


async def test_a_preset_is_used_and_what_fired_is_told(run: Run, faults: Faults) -> None:
    """Then all is removed."""
    assert "tarpit: A tarpit" in (await run("presets")).output
    used = await run("use", "full-mailbox", "recipient=*@full.test")
    assert used.output.startswith("full-mailbox-1  reply 552 at RCPT")
    facts = Facts(listener="x", peer="10.0.0.1", sender="a@b", recipients=("c@full.test",))
    faults.decide("RCPT", facts)

    assert (await run("log")).output.endswith(
        "  full-mailbox-1  reply at RCPT  10.0.0.1  a@b to c@full.test\n"
    )
    assert (await run("reset")).exit_code == 0
    assert (await run("log")).output == ""
    assert (await run("remove", "--all")).output == "removed 1\n"


async def test_a_preset_is_narrowed_and_changed(run: Run, faults: Faults) -> None:
    """What is left out of it is told."""
    used = await run("use", "flaky-relay", "recipient=*@x", "probability=1", "count=2")

    assert used.output == (
        "flaky-relay-3  reply 452 at end-of-data  met 0, fired 0\n"
        "flaky-relay-1  left out: reply 421 at accept can't depend on when.recipient, "
        "which can hold from the stage RCPT on\n"
        "flaky-relay-2  left out: reply 451 at MAIL can't depend on when.recipient, "
        "which can hold from the stage RCPT on\n"
    )
    (rule,) = [one.fault for one in faults.rules]
    assert (rule.probability, rule.count, rule.seed) == (1.0, 2, 3)
    told = json.loads((await run("use", "greylisting", "seconds=1", "--json")).output)
    assert (told["faults"][0]["rule"]["seconds"], told["left_out"]) == (1.0, [])


@pytest.mark.parametrize(
    ("arguments", "text", "status"),
    [
        (("add", "RCPT", "lose"), "the stage RCPT has no action lose", 1),
        (("add", "RCPT", "reply", "cod=1"), "cod: there is no such setting; did you mean code?", 2),
        (("add", "RCPT", "reply", "recipint=x"), "did you mean when.recipient?", 2),
        (("add", "RCPT", "reply", "code=x"), "code: expected a whole number from 0 to 599", 2),
        (("add", "RCPT", "reply", "enhanced=4"), "expected an enhanced code such as 4.7.1", 2),
        (("add", "RCPT", "reply", "code"), "'code' is no KEY=VALUE", 2),
        (("remove",), "give names, or --all", 2),
        (("remove", "nothing"), "no fault of the name 'nothing'", 1),
        (("add", "MAIL", "drop", "recipient=x"), "can hold from the stage RCPT on", 1),
        (("use", "nothing"), "no preset 'nothing'; there are flaky-relay, full-mailbox, ", 1),
        (("use", "q203116", "recipient=x"), "q203116 can't be narrowed so", 1),
        (("use", "tarpit", "code=450"), "no rule of tarpit takes code", 1),
        (("use", "tarpit", "cod=450"), "cod: no key that a preset can be used with", 2),
        (("use", "tarpit", "seconds=long"), "seconds: expected a number from 0 to 86400", 2),
        (("use", "tarpit", "larger_than=x"), "larger_than: expected a whole number of 0 or", 2),
    ],
)
async def test_what_can_not_be_is_refused(
    run: Run, arguments: tuple[str, ...], text: str, status: int
) -> None:
    """With a sentence and an exit status."""
    result = await run(*arguments)

    assert (result.exit_code, text in result.output) == (status, True), result.output


async def test_what_is_exported_can_be_read(run: Run, faults: Faults, tmp_path: Path) -> None:
    """The rules in force become a file of rules that are the same."""
    await run("use", "full-mailbox")
    await run("add", "QUIT", "delay", "seconds=0.5", "helo=a*", "name=slow")

    exported = (await run("export")).output
    (tmp_path / "exported.toml").write_text(exported)
    loaded = load(environ={"BINDPOST_FAULTS": "exported.toml"}, look_around=False)

    assert loaded.settings.fault == tuple(one.fault for one in faults.rules)
    assert 'when.helo = "a*"\n' in exported
    assert "probability" not in exported
