"""The event viewer and the path page as people use them."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from bindpost.proxy.local import free_port
from bindpost.testing import Serving
from bindpost.testing.postgres import PostgresServer

from .conftest import ARTEFACTS, OpenPage, Send
from .test_accessibility import violations

CODE = 10050
PATIENCE = 30_000
"""Milliseconds for what another process must find out."""


def test_events_arrive_by_themselves(url: str, send: Send, open_page: OpenPage) -> None:
    """The list has the columns of Windows NT's Event Viewer, and what happens comes on top."""
    page = open_page()
    page.goto(f"{url}/events")
    assert page.locator("th").all_text_contents()[:6] == [
        *("Date", "Time", "Source", "Category", "Event", "Computer")
    ]

    send()

    received = page.locator(".row.fresh").filter(has=page.locator("td.id", has_text="2002")).first
    expect(received).to_contain_text("A message from <alice@example.test>")
    expect(received).to_contain_text("MSExchangeIMC")


def test_an_event_is_seen_from_all_sides(url: str, send: Send, open_page: OpenPage) -> None:
    """Enter opens it beside the list: sentence, what came with it, and what it means."""
    send()
    page = open_page()
    page.goto(f"{url}/events?id=2002")

    page.keyboard.press("j")
    page.keyboard.press("Enter")

    detail = page.locator("#pane")
    expect(detail).to_contain_text("Information 2002")
    expect(detail).to_contain_text("A message from <alice@example.test>")
    expect(detail).to_contain_text("What it means")
    expect(page).to_have_url(
        f"{url}/events/{detail.locator('article').get_attribute('data-cursor')}?id=2002"
    )
    page.keyboard.press("Escape")
    expect(detail.locator("article")).to_have_count(0)


def test_events_are_filtered(url: str, send: Send, open_page: OpenPage) -> None:
    """Type, source, number and words narrow the list, also for what comes and for the exports."""
    send()
    page = open_page()
    page.goto(f"{url}/events")
    page.locator("[name=source]").select_option("MSExchangeIMC")
    page.locator("[name=id]").fill("2002")
    page.locator("[name=text]").press_sequentially("ALICE@")
    expect(page.locator(".row td.id").filter(has_not_text="2002")).to_have_count(0)
    expect(page).to_have_url(f"{url}/events?source=MSExchangeIMC&id=2002&text=ALICE%40")
    export = page.locator("#exports [data-format=json]").get_attribute("href")
    with urllib.request.urlopen(f"{url}{export}") as answer:
        records = [json.loads(line) for line in answer]
    assert records
    assert {record["event"]["code"] for record in records} == {"2002"}
    page.locator("[name=level]").select_option("error")
    expect(page.get_by_text("No such events.")).to_be_visible()


def test_events_need_no_scripts(url: str, send: Send, open_page: OpenPage) -> None:
    """Without scripts the filters are a form, and an event is a link."""
    send()
    page = open_page(scripts=False)
    page.goto(f"{url}/events")
    page.locator("[name=text]").fill("alice@example.test")
    page.get_by_role("button", name="Filter").click()
    page.locator(".row a").first.click()
    expect(page.locator("#pane")).to_contain_text("alice@example.test")


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[tuple[Serving, int]]:
    """Give a server of which a listener can't be bound, and where its proxy would have to be."""
    port = free_port()
    (tmp_path / "bindpost.toml").write_text(
        'on_bind_failure = "continue"\nweb = "127.0.0.1:0"\ndata = ":memory:"\n'
        '[[listener]]\nendpoint = "127.0.0.1:0"\n'
        f'[[listener]]\nendpoint = "0.0.0.0:{free_port()}"\nvia = "socks5://127.0.0.1:{port}"\n',
        "utf-8",
    )
    serving = Serving(["--config", "bindpost.toml"], folder=tmp_path)
    yield serving, port
    serving.cleanup()


def test_the_broken_hop_is_marked_and_mended(
    broken: tuple[Serving, int], tmp_path: Path, open_page: OpenPage
) -> None:
    """The path page names code, cause and cure; when the cure is applied, a button binds it."""
    serving, port = broken
    serving.wait_for(lambda record: record["event"].get("action") == "web-bound")
    url = serving.records[-1]["bindpost"]["url"]
    serving.wait_for_event(4007)
    page = open_page()
    page.goto(f"{url}/path")
    listener = page.locator(".listener").nth(1)

    expect(listener.locator(".chip")).to_have_text("failed")
    expect(listener.locator(".cause")).to_contain_text(f"{CODE} WSAENETDOWN")
    assert listener.locator(".chain .time").count() == 0, "nobody has walked it yet"
    page.locator("#walk").click()
    broken_hop = listener.locator(".chain .broken")
    expect(broken_hop).to_contain_text("connect")
    expect(broken_hop).to_contain_text(f"127.0.0.1:{port}")
    expect(listener.locator(".cause")).to_contain_text("start the proxy there, or correct the port")
    expect(listener.locator(".cause")).to_contain_text(
        f"The following error occurred while trying to bind the TCP/IP listener socket ({CODE})"
    )
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / "path.png", full_page=True)

    where = ["--listen", f"127.0.0.1:{port}", "--external", "127.0.0.2"]
    proxy = Serving(where, folder=tmp_path, command=["lab", "proxy", "socks5"])
    try:
        proxy.wait_for(lambda record: record["event"].get("action") == "standin-ready")
        listener.get_by_text("Bind again now").click()
        expect(listener.locator(".chip")).to_have_text("listening")
        expect(listener.locator(".capacity")).to_contain_text("0 of 1 session")
        expect(listener.locator(".cause")).to_have_count(0)
        expect(listener.locator(".chain .end").last).to_contain_text("127.0.0.2:")
    finally:
        proxy.cleanup()


@pytest.fixture
def nodes(postgres: PostgresServer, tmp_path: Path) -> Iterator[tuple[Serving, Serving]]:
    """Give two nodes, london and paris, with one inbox."""
    with postgres.new_schema() as url:
        started = [
            Serving(
                [
                    *("--web", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--store", url),
                    *("--node", name, "--data", str(tmp_path / name)),
                ],
                folder=tmp_path,
                env={"BINDPOST_NODE_HEARTBEAT": "0.3"},
            )
            for name in ("london", "paris")
        ]
        yield started[0].wait_ready(), started[1].wait_ready()
        for serving in started:
            serving.cleanup()


def test_each_node_shows_all(nodes: tuple[Serving, Serving], open_page: OpenPage) -> None:
    """One node's pages have the other's listener and events, and by themselves that it is gone."""
    london, paris = nodes
    url = paris.ready["bindpost"]["web"]
    page = open_page()
    page.goto(f"{url}/path")
    other = page.locator("li.node").filter(has=page.locator("h3", has_text="london"))
    expect(other.locator("h3 .chip")).to_have_text("alive")
    expect(other.locator("li")).to_contain_text(":".join(map(str, london.smtp)))

    london.process.kill()

    expect(other.locator("h3 .chip")).to_have_text("gone", timeout=PATIENCE)
    expect(other.locator("li")).to_contain_text("was listening")
    assert violations(page) == []
    page.goto(f"{url}/events")
    expect(page.locator(".row td.computer").filter(has_text="paris").first).to_be_visible()
    page.locator("[name=node]").select_option("london")
    expect(page.locator(".row td.computer").filter(has_text="paris")).to_have_count(0)
    expect(page.locator(".row td.computer").first).to_have_text("london")
