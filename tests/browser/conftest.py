"""A browser, a `bindpost serve` to point it at, and mail for it."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator, Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bindpost.testing import Serving

PATIENCE = 20_000
"""Milliseconds to wait for something that must happen."""
ARTEFACTS = Path(__file__).parents[2] / ".cache" / "pages"
"""Where pictures of pages go; git knows nothing of them."""
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser(program: Callable[[str], Path]) -> Iterator[Browser]:
    """
    Give a Chromium, which ends with the module.

    No longer: playwright's loop stays the running one of this thread, so no other test may run
    meanwhile.
    """
    chromium = program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        expect.set_options(timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Give a server with one listener on a free port, everything in memory."""
    options = ["--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--data", ":memory:"]
    serving = Serving(options, folder=tmp_path_factory.mktemp("serving"))
    yield serving.wait_ready()
    serving.cleanup()


@pytest.fixture
def url(serving: Serving) -> str:
    """Give the URL of the server, whose inbox is empty."""
    serving.client.delete_all()
    address: str = serving.ready["bindpost"]["web"]
    return address


class OpenPage(Protocol):
    """Opens a browser's page of its own, whose scripts must not fail; options are playwright's."""

    def __call__(
        self,
        *,
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        scripts: bool = True,
    ) -> Page:
        """Open it."""
        ...


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Give a function that opens pages, each with storage of its own."""
    contexts = []
    errors: list[str] = []

    def open_page(
        *, width: int = 1280, height: int = 800, dark: bool = False, scripts: bool = True
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


class Send(Protocol):
    """Sends a message by SMTP."""

    def __call__(
        self,
        text: str = "Hi.\n",
        *,
        subject: str = "Hello",
        html: str | None = None,
        to: Sequence[str] = ("bob@example.test",),
        raw: bytes | None = None,
    ) -> None:
        """Send it; when this returns, it is kept."""
        ...


@pytest.fixture
def send(serving: Serving) -> Send:
    """Give a function that sends mail to the server."""

    def send(
        text: str = "Hi.\n",
        *,
        subject: str = "Hello",
        html: str | None = None,
        to: Sequence[str] = ("bob@example.test",),
        raw: bytes | None = None,
    ) -> None:
        message = EmailMessage()
        message["Subject"] = subject
        message["From"] = "Alice <alice@example.test>"
        message["To"] = ", ".join(to)
        message.set_content(text)
        if html is not None:
            message.add_alternative(html, subtype="html")
        with smtplib.SMTP(*serving.smtp) as client:
            client.sendmail("alice@example.test", list(to), raw or message.as_bytes())

    return send
