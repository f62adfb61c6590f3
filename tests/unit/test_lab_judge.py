"""Expectation against observation, without running anything."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bindpost.config.scenario import Expect, ExpectedEvent, ExpectedReach
from bindpost.server.findings.result import Check, LoggedEvent, Visit
from bindpost.server.lab.judge import Observed, judge

VALUES = {"internet": "203.0.113.9"}


def event(number: int, *strings: str, level: str = "Error", **fields: Any) -> LoggedEvent:
    """Give an event of IMS's."""
    return LoggedEvent(
        time="2026-11-26T12:00:00Z",
        source="MSExchangeIMC",
        id=number,
        level=level,
        category="Initialization/Termination",
        computer="exchange",
        message="",
        strings=strings,
        fields=fields,
    )


def visit(role: str, reached: str) -> Visit:
    """Give a visit."""
    return Visit(role=role, here="", there="", reached=reached)


def wrong(
    expect: Expect,
    *events: LoggedEvent,
    exit_status: int | None = None,
    visits: tuple[Visit, ...] = (),
    **more: Any,
) -> list[Check]:
    """Give the checks that do not hold."""
    seen = Observed(exit=exit_status, events=events, visits=visits, **more)
    return [check for check in judge(expect, seen, VALUES) if not check.held]


def test_what_was_expected_holds() -> None:
    """Events in order with their strings, the exit status and the visits as expected: all holds."""
    expect = Expect(
        exit=69,
        check=10050,
        event=(
            ExpectedEvent(id=4007, strings=("10050",), fields={"hop": "connect"}),
            ExpectedEvent(id=4020),
        ),
        reach=ExpectedReach(internet="refused"),
    )
    events = (event(4007, "10050", hop="connect"), event(1, level="Information"), event(4020))

    assert not wrong(
        expect, *events, exit_status=69, foretold=10050, visits=(visit("internet", "refused"),)
    )


def test_an_event_that_does_not_come() -> None:
    """A missing event is told as such."""
    (check,) = wrong(Expect(event=(ExpectedEvent(id=1000),)))

    assert (check.what, check.observed) == ("event 1000", "did not come")


def test_an_event_with_other_strings() -> None:
    """10048 is not 10050: the expected one is missing and the other is one too many."""
    expect = Expect(event=(ExpectedEvent(id=4007, strings=("10050",)),))

    missing, other = wrong(expect, event(4007, "10048"))

    assert missing.observed == "did not come"
    assert "10048" in other.observed


DYING = (
    ExpectedEvent(id=103, source="bindpost"),
    ExpectedEvent(id=4007, fields={"hop": ("accept", "request")}, optional=True),
    ExpectedEvent(id=4007, fields={"hop": "connect"}),
)


@pytest.mark.parametrize("hops", [("connect",), ("accept", "connect"), ("request", "connect")])
def test_an_event_that_may_come(hops: tuple[str, ...]) -> None:
    """What is optional may come in one of its forms, or stay away; the rest comes all the same."""
    lost = msgspec.structs.replace(event(103, level="Warning"), source="bindpost")

    assert not wrong(Expect(event=DYING), lost, *(event(4007, hop=hop) for hop in hops))


@pytest.mark.parametrize(
    ("hops", "told"),
    [
        ((), ["did not come"]),
        (("accept",), ["did not come"]),
        (("connect", "auth"), ["no other error"]),
    ],
)
def test_what_is_optional_replaces_nothing(hops: tuple[str, ...], told: list[str]) -> None:
    """It doesn't stand for the one that must come, and another form of it is one too many."""
    lost = msgspec.structs.replace(event(103, level="Warning"), source="bindpost")

    checks = wrong(Expect(event=DYING), lost, *(event(4007, hop=hop) for hop in hops))

    assert len(checks) == len(told)
    assert all(words in str(check) for words, check in zip(told, checks, strict=True))


def test_one_of_several_texts_in_a_field() -> None:
    """A list in a field's place is met by each of them, is told as such, and by nothing else."""
    expect = Expect(event=(ExpectedEvent(id=4007, fields={"hop": ("bind", "$internet")}),))

    assert not wrong(expect, event(4007, hop="bind"))
    assert not wrong(expect, event(4007, hop="203.0.113.9"))
    missing, _ = wrong(expect, event(4007, hop="connect"))
    assert missing.expected == "MSExchangeIMC 4007, hop bind or 203.0.113.9"


def test_events_in_the_wrong_order() -> None:
    """4020 before 4007 does not hold when 4007 has to come first."""
    expect = Expect(event=(ExpectedEvent(id=4007), ExpectedEvent(id=4020)))

    (check,) = wrong(expect, event(4020), event(4007))

    assert (check.what, check.observed) == ("event 4020", "came too early")


def test_an_error_that_nobody_expects() -> None:
    """An unexpected error fails, an unexpected piece of information doesn't."""
    (check,) = wrong(Expect(), event(4183), event(2002, level="Information"))

    assert (check.what, check.expected) == ("event 4183", "no other error")


@pytest.mark.parametrize(
    ("expected", "seen", "told"),
    [(-1, 69, "ends with exit status 69"), (69, None, "runs"), (69, 1, "ends with exit status 1")],
)
def test_the_service_does_something_else(expected: int, seen: int | None, told: str) -> None:
    """Running and ending are told apart, and one exit status from another."""
    (check,) = wrong(Expect(exit=expected), exit_status=seen)

    assert check.observed == told


def test_a_service_that_does_not_stop_cleanly() -> None:
    """An exit status other than 0 after SIGTERM fails."""
    (check,) = wrong(Expect(), stopped=-9)

    assert check.what == "service, asked to stop"


def test_a_visit_that_gets_something_else() -> None:
    """Somebody who gets in where nobody should is a failure too, and so is a missing visit."""
    expect = Expect(reach=ExpectedReach(internet="refused", proxy="banner"))

    proxy, outside = wrong(expect, visits=(visit("internet", "mail"),))

    assert proxy.observed == "nobody dialled"
    assert (outside.expected, outside.observed) == ("refused", "mail")


def test_what_check_foretells() -> None:
    """`bindpost check` must foretell the expected code; silence is no agreement."""
    assert wrong(Expect(check=10050), foretold=0)
    assert wrong(Expect(check=0), foretold=None)
    assert not wrong(Expect(check=0), foretold=0)


def test_a_field_holds_a_variable() -> None:
    """A field is compared with the variable's value."""
    expect = Expect(event=(ExpectedEvent(id=2002, fields={"peer": "$internet"}),))

    assert not wrong(expect, event(2002, level="Information", peer="203.0.113.9:4711"))
    assert wrong(expect, event(2002, level="Information", peer="10.25.0.1:4711"))
