"""The page of faults in a browser: without scripts, in light, in dark and on a phone."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from bindpost.testing import Serving

from .conftest import OpenPage
from .test_accessibility import violations


@pytest.fixture
def no_faults(serving: Serving) -> Iterator[None]:
    """Leave no faults behind."""
    yield
    serving.client.faults.clear()
    serving.client.faults.reset()


@pytest.mark.usefixtures("no_faults")
def test_a_preset_is_added_strikes_and_is_removed(
    serving: Serving, url: str, open_page: OpenPage
) -> None:
    """All of it without scripts."""
    page = open_page(scripts=False)
    page.goto(f"{url}/faults")
    expect(page.locator("#no-faults")).to_be_visible()
    page.get_by_label("Only for the recipient").fill("*@full.test")
    page.get_by_role("button", name="Add full-mailbox").click()
    expect(page.locator("#rules tbody tr")).to_have_count(1)

    with smtplib.SMTP(*serving.smtp) as client:
        client.helo()
        client.mail("a@b.test")
        codes = [client.rcpt(to)[0] for to in ("jane@full.test", "jane@fine.test")]

    assert codes == [552, 250]
    page.reload()
    expect(page.locator("#fired tbody tr")).to_contain_text("<jane@full.test>")
    page.get_by_role("button", name="Remove full-mailbox-1").click()
    expect(page.locator("#no-faults")).to_be_visible()


@pytest.mark.usefixtures("no_faults")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (360, False)])
def test_the_page_is_in_order(
    serving: Serving, url: str, open_page: OpenPage, width: int, dark: bool
) -> None:
    """axe-core finds nothing serious, and nothing is wider than the window."""
    serving.client.faults.use("flaky-relay")
    with smtplib.SMTP(*serving.smtp) as client:
        client.helo()
        for _ in range(20):
            client.rset()
            client.mail("a@b.test")
    page = open_page(width=width, dark=dark)
    page.goto(f"{url}/faults")
    expect(page.locator("#fired tbody tr").first).to_be_visible()

    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.get_by_role("button", name="Remove flaky-relay-1")).to_be_in_viewport(ratio=1)


def test_the_keys_of_all_pages_work(url: str, open_page: OpenPage) -> None:
    """The theme is switched, the sheet is shown, and keys lead to the page and away."""
    page = open_page()
    page.goto(f"{url}/events")
    page.keyboard.press("g")
    page.keyboard.press("f")
    expect(page).to_have_url(f"{url}/faults")
    page.get_by_role("button", name="Theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(page.locator("#sheet")).to_contain_text("go to the faults")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("i")
    expect(page).to_have_url(f"{url}/")
