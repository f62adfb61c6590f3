"""The lab's report: what it draws, that it is one file, that nothing in it is obeyed."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from bindpost.server.findings.drawing import draw
from bindpost.server.findings.result import (
    Check,
    LoggedEvent,
    PhaseResult,
    ScenarioResult,
    Visit,
    WalkedHop,
)
from bindpost.server.lab.report import render

MACHINES = {
    "exchange": "10.25.0.10",
    "proxy": "10.25.0.1",
    "external": "203.0.113.1",
    "internet": "203.0.113.9",
}
EVIL = "<script>alert(1)</script>"


def failure(hop: str, code: str = "10050", via: str = "winsock://10.25.0.1:1745") -> LoggedEvent:
    """Give a 4007."""
    return LoggedEvent(
        time="2026-11-26T15:04:05.123456Z",
        source="MSExchangeIMC",
        id=4007,
        level="Error",
        category="Initialization/Termination",
        computer="exchange",
        message=f"The following error occurred ... ({code})",
        strings=(code,),
        fields={"hop": hop, "via": via, "reason": "because", "hint": "do this"},
    )


def phase(*events: LoggedEvent, **more: Any) -> PhaseResult:
    """Give a phase."""
    given: dict[str, Any] = {
        "name": "fault",
        "title": "It fails",
        "kind": "fault",
        "words": "",
        "folder": "/evidence",
        "servers": ("proxy: a Winsock Proxy",),
        "checks": (Check(what="service", expected="runs", observed="runs", held=True),),
    }
    return PhaseResult(events=events, **given | more)


def result(*phases: PhaseResult, **more: Any) -> ScenarioResult:
    """Give a scenario's result."""
    given: dict[str, Any] = {"name": "case", "title": "A case", "outcome": "held"}
    return ScenarioResult(machines=MACHINES, phases=phases, **given | more)


@pytest.mark.parametrize(
    ("hop", "via", "where"),
    [
        ("resolve", "winsock://PROXY:1745", "exchange"),
        ("services", "services:", "exchange"),
        ("connect", "winsock://10.25.0.1:1745", "inner"),
        ("greeting", "socks5://10.25.0.1:1080", "inner"),
        ("request", "ssh://mail@10.25.0.1:22", "inner"),
        ("bind", "winsock://10.25.0.1:1745", "proxy"),
        ("bind", "direct:", "exchange"),
        ("accept", "socks5://10.25.0.1:1080", "inner"),
    ],
)
def test_the_broken_hop_is_drawn_where_it_is(hop: str, via: str, where: str) -> None:
    """A hop belongs to a machine or to the network between two; only that one is marked."""
    it = phase(failure(hop, via=via))

    drawing = draw(it, MACHINES)

    marked = {
        name
        for name, state in {
            "exchange": drawing.exchange.state,
            "inner": drawing.inner.state,
            "proxy": drawing.proxy.state,
        }.items()
        if state == "bad"
    }
    assert marked == {where}
    assert drawing.steps[-1].state == "bad"
    assert drawing.steps[-1].hint == "do this"


def test_the_walk_of_check_is_drawn() -> None:
    """The hops of `bindpost check` are drawn in order, and its own broken one only once."""
    hops = (
        WalkedHop(name="decision", target="0.0.0.0:25", ok=True, detail="remote"),
        WalkedHop(name="connect", target="10.25.0.1", ok=False, detail="refused", code=10050),
        WalkedHop(name="greeting", target="10.25.0.1", ok=None, detail=""),
        WalkedHop(name="serve", target="", ok=None, detail="would log 4007"),
    )
    it = phase(failure("connect"), hops=hops)

    steps = draw(it, MACHINES).steps

    assert [(step.name, step.state) for step in steps] == [
        ("decision", "good"),
        ("connect", "bad"),
        ("greeting", "idle"),
    ]


@pytest.mark.parametrize(
    ("reached", "state"),
    [("mail", "good"), ("banner", "good"), ("other banner", "bad"), ("refused", "bad")],
)
def test_the_way_from_outside(reached: str, state: str) -> None:
    """Only our own banner, or a mail, makes the way from the Internet a good one."""
    seen = Visit(role="internet", here="203.0.113.9", there="203.0.113.1:25", reached=reached)
    it = phase(visits=(seen,))

    assert draw(it, MACHINES).outer.state == state


def test_a_path_that_is_back_is_not_broken() -> None:
    """After event 104 the 4007 before it is history."""
    back = LoggedEvent(
        time="2026-11-26T15:04:06Z",
        source="bindpost",
        id=104,
        level="Information",
        category="",
        computer="",
        message="",
        fields={"via": "socks5://10.25.0.1:1080"},
    )
    it = phase(failure("connect"), back)

    assert draw(it, MACHINES).inner.state == "good"


def test_an_event_has_the_fields_of_the_event_viewer() -> None:
    """Date and time are written as NT did; source, category, type, id, user, computer are there."""
    page = render([result(phase(failure("connect")))])

    shown = " ".join(re.sub("<[^>]+>", " ", page).split())
    for text in (
        *("Date: 11/26/26", "Time: 3:04:05 PM", "User: N/A", "Computer: EXCHANGE"),
        *("Event ID: 4007", "Source: MSExchangeIMC", "Type: Error"),
        "Category: Initialization/Termination",
    ):
        assert text in shown


def test_what_differs_is_said_in_words() -> None:
    """A failed expectation is marked by a word, not by colour alone, and its scenario is open."""
    bad = Check(what="service", expected="runs", observed="ends", held=False)
    page = render([result(phase(checks=(bad,)), outcome="failed"), *[result(phase())] * 5])

    assert "differs" in page
    assert page.count(" open>") >= 1
    assert "1 failed" in page


def test_the_cure_shows_what_was_changed() -> None:
    """A file that differs from the fault's is shown as a difference, others are not."""
    before = phase(files={"mspclnt.ini": "Name=PROXY\n", "wspcfg.ini": "same\n"})
    after = phase(name="cure", files={"mspclnt.ini": "Addr1=10.25.0.1\n", "wspcfg.ini": "same\n"})

    page = render([result(before, after)])

    assert "-Name=PROXY" in page
    assert "+Addr1=10.25.0.1" in page
    assert "+same" not in page


def test_nothing_in_it_is_obeyed() -> None:
    """Whatever a peer or a file said is shown as text."""
    evil = Visit(
        role="internet", here=EVIL, there=EVIL, reached=EVIL, banner=EVIL, transcript=(EVIL,)
    )
    it = phase(
        failure(EVIL, EVIL, EVIL),
        title=EVIL,
        words=f"`{EVIL}`",
        folder=EVIL,
        servers=(f"proxy: {EVIL}",),
        files={EVIL: EVIL},
        visits=(evil,),
        trouble=EVIL,
    )

    page = render([result(it, name=EVIL, title=EVIL, story=EVIL, cause=EVIL, reason=EVIL)])

    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 12


class Resources(HTMLParser):
    """Collects what a page would load, and whether its elements are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what is loaded, and what is open."""
        self.loaded += [f"{tag} {name}" for name, _ in attrs if name in {"src", "srcset", "style"}]
        if tag in {"link", "script", "iframe", "object"}:
            self.loaded.append(tag)
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close it."""
        assert self.open.pop() == tag


def test_it_is_one_file() -> None:
    """The page loads nothing, runs nothing, and is well-formed."""
    page = render([result(phase(failure("connect")), articles=("Q203116",))])

    parser = Resources()
    parser.feed(page)

    assert parser.loaded == []
    assert parser.open == []
    assert "@import" not in page
    assert "url(" not in page
