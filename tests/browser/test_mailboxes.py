"""Choosing a mailbox on the page: what is shown, counted and deleted is what is in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from bindpost.testing import Serving

from .conftest import OpenPage, Send
from .test_accessibility import violations

SETTINGS = """
[[mailbox]]
name = "shop"
domains = ["shop.test"]

[[mailbox]]
name = "ci-*"
plus_tags = ["ci-*"]
"""


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Give a server with mailboxes."""
    folder = tmp_path_factory.mktemp("mailboxes")
    (folder / "bindpost.toml").write_text(SETTINGS, "utf-8")
    options = ["--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--data", ":memory:"]
    serving = Serving(options, folder=folder)
    yield serving.wait_ready()
    serving.cleanup()


def test_a_mailbox_is_chosen_and_kept(url: str, send: Send, open_page: OpenPage) -> None:
    """The choice filters list, news and deletion, goes along in the address, and learns of more."""
    page = open_page()
    page.goto(url)
    send(subject="For the shop", to=("bob@shop.test",))
    send(subject="For nobody", to=("bob@else.test",))
    expect(page.locator(".row")).to_have_count(2)

    page.locator("#mailbox").select_option("shop")
    page.wait_for_url("**/?mailbox=shop")
    expect(page.locator(".row")).to_have_count(1)
    send(subject="For another", to=("bob@else.test",))
    send(subject="For a run", to=("bob+ci-7@shop.test",))

    expect(page.locator(".row")).to_have_count(2)
    expect(page.locator(".row .subject").first).to_contain_text("For a run")
    expect(page.locator("#mailbox option")).to_have_text(["All mail", "ci-7 (1)", "shop (2)"])
    assert violations(page) == []
    page.locator(".row a").first.click()
    page.wait_for_url("**/view/*?mailbox=shop")
    expect(page.locator("#unread")).to_contain_text("1")
    page.keyboard.press("Escape")
    page.wait_for_url("**/?mailbox=shop")

    page.get_by_role("button", name="Delete all").click()
    expect(page.locator("#question")).to_contain_text("of the mailbox shop")
    page.locator("#question .danger").click()

    expect(page.get_by_text("No mail in this mailbox")).to_be_visible()
    expect(page.locator("#mailbox option")).to_have_text(["All mail", "ci-7 (1)", "shop"])
    page.locator("#mailbox").select_option("")
    expect(page.locator(".row")).to_have_count(3)
    expect(page.get_by_role("option", selected=True)).to_have_text("All mail")


def test_a_mailbox_is_chosen_without_scripts(url: str, send: Send, open_page: OpenPage) -> None:
    """A button does what the script would do; links stay in the mailbox."""
    send(subject="For the shop", to=("bob@shop.test",))
    send(subject="For nobody", to=("bob@else.test",))
    page = open_page(scripts=False, width=390)
    page.goto(url)

    page.locator("#mailbox").select_option("shop")
    page.get_by_role("button", name="Show").click()

    expect(page.locator(".row .subject bdi")).to_have_text(["For the shop"])
    page.locator(".row a").click()
    assert page.url.endswith("?mailbox=shop")
    page.locator(".back").click()
    assert page.url.endswith("/?mailbox=shop")
