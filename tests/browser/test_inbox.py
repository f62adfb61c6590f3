"""The inbox as people use it: live, by keyboard, on a phone, in the dark, without scripts."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from bindpost.testing import Serving

from .conftest import OpenPage, Send


def subjects(page: Page) -> list[str]:
    """Give the subjects of the list."""
    return page.locator(".row .subject bdi").all_text_contents()


def test_mail_arrives_by_itself(url: str, send: Send, open_page: OpenPage) -> None:
    """A message shows up while the page is open: row, unread count, title, icon; in each tab."""
    page = open_page()
    page.goto(url)
    expect(page.get_by_text("No mail yet")).to_be_visible()
    streams: list[str] = []
    other = page.context.new_page()
    other.on("request", lambda request: streams.append(request.url))
    other.goto(url)

    send("Come to tea.\n", subject="Tea", to=("bob@example.test", "eve@example.test"))

    for tab in (page, other):
        row = tab.locator(".row")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("Alice <alice@example.test>")
        expect(row).to_contain_text("to bob@example.test +1")
        expect(row).to_contain_text("Come to tea.")
        expect(tab.locator("#count")).to_have_text("1 message")
        expect(tab.locator("#unread")).to_contain_text("1")
        expect(tab).to_have_title("(1) Inbox - bindpost")
        expect(tab.locator("#icon")).to_have_attribute("href", "/static/icon-unread.svg")
        expect(tab.get_by_text("No mail yet")).to_have_count(0)
    assert [asked for asked in streams if "/stream" in asked] == [], "tabs share one stream"


def test_a_tab_goes_on_when_the_one_that_listened_is_closed(
    url: str, send: Send, open_page: OpenPage
) -> None:
    """The tab that is left takes over the stream, and misses nothing."""
    page = open_page()
    page.goto(url)
    other = page.context.new_page()
    other.goto(url)
    expect(other.get_by_text("No mail yet")).to_be_visible()

    page.close()
    send(subject="Afterwards")

    expect(other.locator(".row .subject")).to_contain_text("Afterwards")


def test_the_empty_inbox_tells_the_real_address(
    url: str, serving: Serving, open_page: OpenPage
) -> None:
    """What it says to do works: it names the address that was bound."""
    page = open_page()
    page.goto(url)

    host, port = serving.smtp
    expect(page.locator("code.address")).to_have_text(f"{host}:{port}")
    expect(page.locator("pre.try").first).to_contain_text(f"curl smtp://{host}:{port}")


def test_the_keyboard_is_enough(url: str, send: Send, open_page: OpenPage) -> None:
    """Going, opening, marking, selecting, deleting, searching and leaving need no mouse."""
    for number in (1, 2, 3, 4):
        send(f"Text {number}.\n", subject=f"Message {number}")
    page = open_page()
    page.goto(url)
    unread = page.locator("#unread .number")

    page.keyboard.press("j")
    expect(page.locator(".row").nth(0).locator("a")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#subject")).to_have_text("Message 3")
    expect(unread).to_have_text("3")
    page.keyboard.press("k")
    expect(page.locator("#subject")).to_have_text("Message 4")
    page.keyboard.press("u")
    expect(unread).to_have_text("3")
    page.keyboard.press("r")
    expect(unread).to_have_text("2")
    page.keyboard.press("2")
    expect(page.locator(".show-headers")).to_contain_text("alice@example.test")
    page.keyboard.press("Delete")
    expect(page.locator("#subject")).to_have_text("Message 3")
    page.keyboard.press("Escape")
    expect(page.locator("#subject")).to_have_count(0)
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("#count")).to_have_text("2 selected")
    page.keyboard.press("#")
    expect(page.locator(".row")).to_have_count(1)
    page.keyboard.press("/")
    page.keyboard.type("nothing like it")
    expect(page.get_by_text("Nothing found.")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#sheet")).to_contain_text("mark unread")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("e")
    expect(page).to_have_url(f"{url}/events")


def test_search_finds_as_one_types(url: str, send: Send, open_page: OpenPage) -> None:
    """The list shows what is meant so far, new mail included; the address keeps the search."""
    send(subject="Invoice 17")
    send(subject="Greetings", to=("carol@example.test",))
    page = open_page()
    page.goto(url)

    page.locator("#q").press_sequentially("invoice")
    expect(page.locator(".row")).to_have_count(1)
    send(subject="No match")
    send(subject="Another INVOICE")
    expect(page.locator(".row")).to_have_count(2)
    assert subjects(page) == ["Another INVOICE", "Invoice 17"]
    expect(page).to_have_url(f"{url}/?q=invoice")
    page.reload()
    expect(page.locator(".row")).to_have_count(2)
    page.locator("#q").fill("to:carol -invoice")
    expect(page.locator(".row .subject bdi")).to_have_text(["Greetings"])
    page.locator("#q").fill("is:unread")
    expect(page.locator(".row")).to_have_count(4)


def test_many_are_marked_and_deleted(
    url: str, send: Send, serving: Serving, open_page: OpenPage
) -> None:
    """A range that is selected is marked and deleted at once; all are only after a question."""
    for number in range(6):
        send(subject=f"Message {number}")
    page = open_page()
    page.goto(url)
    boxes = page.locator(".row input")

    boxes.nth(1).check()
    boxes.nth(3).click(modifiers=["Shift"])
    expect(page.locator("#count")).to_have_text("3 selected")
    page.locator("#bulk [data-do=read]").click()
    expect(page.locator(".row.read")).to_have_count(3)
    boxes.nth(0).check()
    boxes.nth(4).click(modifiers=["Shift"])
    page.locator("#bulk [data-do=delete]").click()
    expect(page.locator(".row")).to_have_count(1)
    assert [kept.fields.subject for kept in serving.client.messages()] == ["Message 0"]

    page.locator("[data-do=delete-all]").click()
    page.locator("#question").get_by_text("Keep").click()
    assert len(serving.client.messages()) == 1
    page.locator("[data-do=delete-all]").click()
    page.locator("#question").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No mail yet")).to_be_visible()
    assert serving.client.messages() == []


def test_what_others_do_is_seen(
    url: str, send: Send, serving: Serving, open_page: OpenPage
) -> None:
    """A message that somebody else deletes leaves the list, and the one that is read says so."""
    send(subject="Going")
    send(subject="Staying")
    page = open_page()
    page.goto(url)
    page.locator(".row", has_text="Going").locator("a").click()
    expect(page.locator("#subject")).to_have_text("Going")

    serving.client.delete([serving.client.messages()[1].id])

    expect(page.locator(".row")).to_have_count(1)
    expect(page.get_by_text("This message was deleted.")).to_be_visible()


def test_a_message_is_seen_from_every_side(url: str, send: Send, open_page: OpenPage) -> None:
    """Text, headers, source, parts, links and session each show what is theirs."""
    send(
        "See https://example.test/a?b=c. <b>\n",
        subject="Grüße",
        html="<a href='https://example.test/offer'>The offer</a>",
    )
    page = open_page()
    page.goto(url)
    page.locator(".row a").click()
    expect(page.frame_locator("iframe.mail").locator("a")).to_have_text("The offer")

    for view, words in {
        "text": "See https://example.test/a?b=c. <b>",
        "headers": "Grüße",
        "source": "Content-Type: multipart/alternative",
        "parts": "text/html",
        "links": "https://example.test/offer",
        "session": "220 ",
    }.items():
        page.locator(f"[data-show={view}]").click()
        expect(page.locator(f".show-{view}")).to_contain_text(words)
    page.locator("[data-show=text]").click()
    link = page.locator(".show-text a")
    expect(link).to_have_attribute("href", "https://example.test/a?b=c")
    expect(link).to_have_attribute("rel", "noopener noreferrer")


def test_going_back_goes_back(url: str, send: Send, open_page: OpenPage) -> None:
    """The browser's back and forward buttons go through what was open."""
    send(subject="One")
    send(subject="Two")
    page = open_page()
    page.goto(url)
    page.locator(".row a").nth(0).click()
    expect(page.locator("#subject")).to_have_text("Two")
    page.locator(".row a").nth(1).click()
    expect(page.locator("#subject")).to_have_text("One")

    page.go_back()
    expect(page.locator("#subject")).to_have_text("Two")
    page.go_back()
    expect(page.locator("#subject")).to_have_count(0)
    page.go_forward()
    expect(page.locator("#subject")).to_have_text("Two")
    page.reload()
    expect(page.locator("#subject")).to_have_text("Two")


def test_a_phone_shows_one_thing_at_a_time(url: str, send: Send, open_page: OpenPage) -> None:
    """On a narrow screen there is the list, or the message; nothing is wider than the screen."""
    for number in range(30):
        send(subject=f"{'A very long subject that does not fit ' * 3}{number}")
    page = open_page(width=360, height=640)
    page.goto(url)
    page.locator(".row a").nth(3).click()
    expect(page.locator("#subject")).to_be_visible()
    expect(page.locator(".list")).to_be_hidden()
    for path in (page.url, f"{url}/events", f"{url}/path", url):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    row = page.locator(".row").nth(25)
    row.scroll_into_view_if_needed()
    row.locator("a").click()
    expect(row).to_be_hidden()
    page.locator(".back").click()
    expect(page.locator(".pane")).to_be_hidden()
    expect(row).to_be_in_viewport()


@pytest.mark.parametrize("path", ["/", "/events", "/path"])
def test_dark_and_light(path: str, url: str, open_page: OpenPage) -> None:
    """The system's choice holds until the switch says otherwise, which is remembered."""
    page = open_page(dark=True)
    page.goto(f"{url}{path}")

    def is_dark() -> bool:
        color = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", color)[:3])) < 3 * 128

    assert is_dark()
    page.locator("#theme").click()
    expect(page.locator("#theme-name")).to_have_text("light")
    assert not is_dark()
    page.reload()
    assert not is_dark()
    page.locator("#theme").click()
    page.locator("#theme").click()
    expect(page.locator("#theme-name")).to_have_text("auto")
    assert is_dark()


def test_reading_needs_no_scripts(url: str, send: Send, open_page: OpenPage) -> None:
    """Without scripts there are list, search, older pages, and each view of a message."""
    for number in range(55):
        send(f"Text {number}.\n", subject=f"Message {number}", html=f"<p>HTML {number}</p>")
    page = open_page(scripts=False)
    page.goto(url)
    expect(page.locator(".row")).to_have_count(50)
    expect(page.locator("[data-do=delete-all]")).to_be_hidden()

    page.get_by_text("Older messages").click()
    expect(page.locator(".row")).to_have_count(5)
    page.locator("#q").fill('subject:"message 54"')
    page.locator("#q").press("Enter")
    expect(page.locator(".row")).to_have_count(1)
    page.locator(".row a").click()
    expect(page.locator("#subject")).to_have_text("Message 54")
    expect(page.frame_locator("iframe.mail").locator("p")).to_have_text("HTML 54")
    page.locator("[data-show=text]").click()
    expect(page.locator("pre.text")).to_contain_text("Text 54.")
    page.locator("[data-show=session]").click()
    expect(page.locator(".transcript")).to_contain_text("mail FROM:")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_the_checks_of_a_message(scripts: bool, url: str, send: Send, open_page: OpenPage) -> None:
    """What programs don't support, for one family too, and what its links do; the focus stays."""
    html = "<p style='display: flex'>x</p><a href='http://127.0.0.1:9/'>Inside</a>"
    send("x", subject="Checked", html=html)
    page = open_page(scripts=scripts)
    page.goto(f"{url}/view/latest")

    page.locator("[data-show=check]").click()
    expect(page.locator(".verdict")).to_contain_text("by the mail programs that were tested")
    flex = page.locator(".features > li", has_text="display:flex")
    flex.locator("summary").click()
    expect(flex.locator(".places")).to_contain_text("<p> in line 1")
    expect(flex.locator(".programs").first).to_contain_text("Outlook Windows")
    page.locator(".families summary").click()
    page.locator("#family-thunderbird").click()
    expect(page.locator(".verdict")).to_contain_text("by Mozilla Thunderbird")
    expect(page.locator(".features > li", has_text="display:flex")).to_have_count(0)
    if scripts:
        expect(page.locator("#family-thunderbird")).to_be_focused()
    page.locator("[data-show=links]").click()
    expect(page.locator(".links")).not_to_contain_text("private")
    page.locator("#check-links").click()
    expect(page.locator(".links .came")).to_contain_text("leads to 127.0.0.1, which is private")
    expect(page.locator(".asking [role=status]")).to_contain_text("1 of 1 need a look.")
    if scripts:
        expect(page.locator("#check-links")).to_be_focused()
