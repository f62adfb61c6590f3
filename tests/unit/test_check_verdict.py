"""The verdict of `bindpost check`: its sentence and what the exit status follows from."""

from __future__ import annotations

from pathlib import Path

import pytest

from bindpost.cli.check import judge
from bindpost.proxy.provider import Hop
from bindpost.proxy.selftest import ACCEPT, BIND, REACH

OK = Hop("serve", "x", True, "fine")
BOUND = Hop("bind", "x", True, "bound")
REACHED = Hop("reach", "x", True, "connected")
SAID = "The following error occurred while trying to bind the TCP/IP listener socket"


def test_the_page_tells_the_times() -> None:
    """docs/bind-paths.md says how long each step may take."""
    page = (Path(__file__).parents[2] / "docs" / "bind-paths.md").read_text(encoding="utf-8")

    assert REACH == ACCEPT
    assert f"The bind may take {BIND:.0f} s, each other step {ACCEPT:.0f} s" in page


@pytest.mark.parametrize(
    ("walked", "tried", "fine", "reachable", "sentence"),
    [
        ([OK], [], True, None, "serve would bind it"),
        (
            [Hop("bind", "x", False, "taken", code=10048)],
            [],
            False,
            None,
            f"serve would log event 4007: {SAID} (10048)",
        ),
        (
            [Hop("file", "x", False, "no folder")],
            [],
            False,
            None,
            "serve would not bind it: no folder",
        ),
        (
            [OK],
            [Hop("bind", "x", False, "refused", code=10050)],
            False,
            None,
            f"serve would log event 4007: {SAID} (10050)",
        ),
        (
            [OK],
            [BOUND, REACHED, Hop("accept", "x", True, "met")],
            True,
            True,
            "serve would bind it, and a test connection got in",
        ),
        (
            [OK],
            [BOUND, Hop("reach", "x", None, "forbidden"), Hop("accept", "x", None, "not reached")],
            True,
            None,
            "serve would bind it; whether peers can reach it can't be told from here",
        ),
        (
            [OK],
            [BOUND, Hop("reach", "x", False, "loopback only"), Hop("accept", "x", None, "")],
            False,
            False,
            "serve would bind it, but no peer can reach it: loopback only",
        ),
        (
            [OK],
            [BOUND, REACHED, Hop("accept", "x", False, "reply 2", code=10050)],
            False,
            False,
            "serve would bind it, but no peer can reach it; at the first it would log event 4007: "
            f"{SAID} (10050)",
        ),
        (
            [OK],
            [BOUND, REACHED, Hop("accept", "x", True, "met"), Hop("peer", "x", False, "not who")],
            False,
            True,
            "serve would bind it, but its sessions would have a wrong peer: not who",
        ),
        (
            [OK],
            [
                *(BOUND, REACHED, Hop("accept", "x", True, "met")),
                *(Hop("reach", "y", None, "no way"), Hop("accept", "y", None, "not reached")),
            ],
            True,
            None,
            "serve would bind it; whether peers can reach it can't be told from here",
        ),
    ],
)
def test_verdict(
    walked: list[Hop], tried: list[Hop], fine: bool, reachable: bool | None, sentence: str
) -> None:
    """The first step that failed decides; bound and reached by nobody is told from not bound."""
    verdict = judge("x", "direct:", walked, tried)

    assert verdict.sentence == sentence
    assert (verdict.is_fine, verdict.reachable) == (fine, reachable)
    assert verdict.hops == [*walked, *tried]
