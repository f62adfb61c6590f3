"""What axe-core finds on the pages, in light and in dark: nothing serious."""

from __future__ import annotations

from importlib.resources import files

import pytest
from playwright.sync_api import Page, expect

from .conftest import ARTEFACTS, OpenPage, Send

PICTURES = ("empty", "html", "event", "path", "scenario", "list")
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
RUN = """async () => (await axe.run({
        iframes: false,
        resultTypes: ["violations"],
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    })).violations
    .filter(({impact}) => ["serious", "critical"].includes(impact))
    .flatMap(({id, nodes}) => nodes.map(({target}) => `${id}: ${target}`))"""


def violations(page: Page) -> list[str]:
    """Give the serious violations on a page, each with where it is."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE)
    found: list[str] = page.evaluate(RUN)
    return found


def test_what_is_wrong_would_be_found(open_page: OpenPage) -> None:
    """The check itself finds pale letters and a field without a name."""
    page = open_page()
    page.set_content("<main><p style='color: #ddd'>pale</p><input></main>")

    found = {line.partition(":")[0] for line in violations(page)}

    assert {"color-contrast", "label"} <= found


@pytest.mark.parametrize(
    ("width", "dark"),
    [
        pytest.param(1280, False, id="light"),
        pytest.param(1280, True, id="dark"),
        pytest.param(390, False, id="phone"),
    ],
)
def test_nothing_serious_is_found(
    dark: bool, width: int, url: str, send: Send, open_page: OpenPage
) -> None:
    """Contrast, names, roles, landmarks and focus are in order on each page."""
    page = open_page(dark=dark, width=width)
    page.emulate_media(reduced_motion="reduce")
    is_first = width > 1000 and not dark  # the dark and a phone change colours and order only
    found = {}

    def look(name: str) -> None:
        if name in PICTURES:
            ARTEFACTS.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=ARTEFACTS / f"{name}-{'dark' if dark else 'light'}-{width}.png")
        if serious := violations(page):
            found[name] = serious

    page.goto(url)
    look("empty")
    flex = "<p style='display: flex; clip-path: none'>Some text. <script></script></p>"
    send("Some text.\n", subject="Read", html=f"{flex}<a href='http://127.0.0.1:9/'>x</a>")
    send("Some text, https://example.test/.\n", subject="Unread")
    expect(page.locator(".row")).to_have_count(2)
    page.locator(".row a").last.click()
    expect(page.locator("#subject")).to_have_text("Read")
    look("html")
    for view in ("text", "headers", "parts", "links", "session") if is_first else ("session",):
        page.locator(f"[data-show={view}]").click()
        expect(page.locator(f".show-{view}")).to_be_visible()
        look(view)
    page.locator("[data-show=check]").click()
    page.locator(".features > li", has_text="clip-path").locator("summary").click()
    page.locator(".families summary").click()
    expect(page.locator(".programs").first).to_be_visible()
    look("check")
    page.locator("[data-show=links]").click()
    page.locator("#check-links").click()
    expect(page.locator(".came").first).to_be_visible()
    look("checked links")
    page.goto(f"{url}/events?id=2002")
    page.locator(".row a").first.click()
    expect(page.locator(".event")).to_be_visible()
    look("event")
    page.goto(f"{url}/path?walk")
    look("path")
    page.goto(f"{url}/path/q203116")
    look("scenario")
    if width < 1000:  # where there is room for one thing, the lists are alone
        for name, path in {"list": "/", "events": "/events"}.items():
            page.goto(f"{url}{path}")
            expect(page.locator(".row").first).to_be_visible()
            look(name)

    assert found == {}
