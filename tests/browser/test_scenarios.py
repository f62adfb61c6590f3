"""A lab scenario in a browser: chosen, read, run with real programs, watched to its verdict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bindpost.testing import Serving

from .conftest import ARTEFACTS, OpenPage
from .test_accessibility import violations

RUN = 50_000
"""Milliseconds for a scenario, on a machine that has other things to do."""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """Give the URL of a server of its own, which may be ended in the middle of a run."""
    serving = Serving(
        ["--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--data", "data"], folder=tmp_path
    )
    address: str = serving.wait_ready().ready["bindpost"]["web"]
    yield address
    serving.cleanup()


def state_of(page: Page) -> str:
    """Give how the run stands."""
    return page.locator(".facts-line .chip").text_content() or ""


@pytest.mark.timeout(115)
def test_a_scenario_is_run_and_watched(lab: str, open_page: OpenPage) -> None:
    """
    The fault comes in red while it goes on, the cures turn green, and the report is there.

    axe-core finds nothing serious at the end, on a wide page and on a phone in the dark.
    """
    page = open_page()
    page.goto(f"{lab}/path")
    page.locator("#scenario-list a").filter(has_text="Another firewall is in use").click()
    expect(page.locator(".story")).to_contain_text("control panel")
    fault, cure = page.locator("#phase-fault"), page.locator("#phase-cure")
    expect(fault.get_by_text("event MSExchangeIMC 4007 (10050)")).to_be_hidden()
    fault.get_by_text("What is expected").click()
    expect(fault.get_by_text("event MSExchangeIMC 4007 (10050)")).to_be_visible()

    page.keyboard.press("r")

    expect(page.locator("#stop")).to_be_visible()
    logged = fault.locator(".logged").filter(has_text="4007")
    expect(logged).to_contain_text("10050", timeout=RUN)
    expect(fault.locator(".cable.bad").first).to_contain_text("connect: 10050")
    assert state_of(page) == "running"
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / "scenario-running.png", full_page=True)
    expect(page.locator(".facts-line .held")).to_be_visible(timeout=RUN)
    expect(cure).to_have_class("phase cure held")
    expect(cure.locator(".cable.good")).to_contain_text("mail delivered")
    expect(page.locator("#said")).to_have_text("held")
    page.screenshot(path=ARTEFACTS / "scenario-held.png", full_page=True)
    phone = open_page(width=390, dark=True)
    phone.emulate_media(reduced_motion="reduce")
    phone.goto(page.url)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    assert violations(phone) == violations(page) == []

    page.get_by_role("link", name="Report").click()
    expect(page.locator("section.phase.fault h2")).to_contain_text("a proxy that is not there")
    expect(page.locator("section.phase.fault .event").first).to_be_visible()
    page.goto(f"{lab}/path")
    expect(page.locator("#scenario-list li.held")).to_contain_text("q193928-b")


def test_a_scenario_needs_no_scripts(lab: str, open_page: OpenPage) -> None:
    """A form runs it, a link shows how far it is, and a form stops it."""
    page = open_page(scripts=False)
    page.goto(f"{lab}/path/socks-silent")
    expect(page.locator(".story")).to_be_visible()

    page.get_by_role("button", name="Run").click()

    expect(page.locator(".facts-line .running")).to_be_visible()
    page.get_by_role("link", name="Look again").click()
    expect(page.locator(".facts-line .running")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".facts-line .stopped")).to_be_visible()
    expect(page.get_by_text("The run ended before its time: it was stopped.")).to_be_visible()
