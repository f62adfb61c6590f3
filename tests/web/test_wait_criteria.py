"""What a wait can ask for beside addresses: patterns, header fields, links; and its answer."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest
from anyio import wait_all_tasks_blocked

from bindpost.server.message.regex import PATTERN_LIMIT
from bindpost.server.store.store import MessageRow
from bindpost.server.web.criteria import CONDITION_LIMIT

Deliver = Callable[..., Awaitable[MessageRow]]
WAIT = "/api/bindpost/v1/wait"
MAIL = (
    b"Subject: Your Order 4711\r\nX-Trace: ab=?utf-8?q?=20?=c\r\nX-Trace: second\r\n"
    b"X-Name: =?utf-8?q?J=C3=BCrgen?=\r\n\r\nYour code is 123456: https://example.test/confirm\r\n"
)


async def asked(http: httpx.AsyncClient, **parameters: str | list[str]) -> int:
    """Give the status of a wait that has no time."""
    return (await http.get(WAIT, params={"timeout": "0", **parameters})).status_code


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"subject_regex": r"^Your Order \d{4}$"}, 200),
        ({"subject_regex": r"^Order"}, 204),
        ({"subject_regex": r"(?i)your order"}, 200),
        ({"header": "X-Name: Jürgen"}, 200),
        ({"header": "x-name:Jürgen"}, 200),
        ({"header": "X-Name: jürgen"}, 204),
        ({"header": "X-Trace: second"}, 200),
        ({"header": ["X-Trace: second", "X-Name: Jürgen"]}, 200),
        ({"header": ["X-Trace: second", "X-Name: Bob"]}, 204),
        ({"header": "X-Other: second"}, 204),
        ({"header_regex": "X-Name: ^J.rgen$"}, 200),
        ({"header_regex": "X-Name: ^rgen"}, 204),
        ({"header_regex": "X-Trace: ^sec", "header": "X-Trace: second"}, 200),
        ({"has_link": "true"}, 200),
        ({"has_link": "false"}, 200),
        ({"has_link": "true", "recipient": "nobody@example.com"}, 204),
    ],
)
async def test_conditions(
    http: httpx.AsyncClient, deliver: Deliver, parameters: dict[str, str | list[str]], status: int
) -> None:
    """Each condition is met or not by what the message says, decoded."""
    await deliver(MAIL)

    assert await asked(http, **parameters) == status


async def test_a_message_without_a_link(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """A wait for a link passes over a message that has none, and finds the one that has."""
    await deliver(b"Subject: no link\r\n\r\nexample.test\r\n")
    assert await asked(http, has_link="true") == 204
    wanted = await deliver(b'Content-Type: text/html\r\n\r\n<a href="http://example.test/">x</a>')
    await deliver(b"Subject: no link\r\n\r\n")

    response = await http.get(WAIT, params={"has_link": "1", "timeout": 0})

    assert response.json()["id"] == wanted.id


async def test_a_message_that_comes_later_is_looked_at(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """A wait that has begun ends with the first that meets all conditions."""
    parameters = {"header_regex": "X-N: ^[0-9]+$", "timeout": "30"}
    waiter = asyncio.create_task(http.get(WAIT, params=parameters))
    await wait_all_tasks_blocked()

    await deliver(b"X-N: one\r\n\r\n")
    wanted = await deliver(b"X-N: 1\r\n\r\n")

    assert (await waiter).json()["id"] == wanted.id


async def test_behind_a_cursor_the_oldest_that_matches(
    http: httpx.AsyncClient, deliver: Deliver
) -> None:
    """With a cursor it is the first behind it, however many there are that don't match."""
    first = await deliver(b"X-N: 0\r\n\r\n")
    for _ in range(120):
        await deliver(b"X-N: one\r\n\r\n")
    wanted = await deliver(b"X-N: 1\r\n\r\n")
    await deliver(b"X-N: 2\r\n\r\n")
    parameters = {"header_regex": "X-N: ^[0-9]+$", "timeout": "0", "after": str(first.cursor)}

    assert (await http.get(WAIT, params=parameters)).json()["id"] == wanted.id


async def test_the_answer_has_links_and_codes(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """What a test looks for is found already; the bytes come if asked for."""
    await deliver(MAIL)

    plain = (await http.get(WAIT, params={"timeout": 0})).json()
    full = (await http.get(WAIT, params={"timeout": 0, "raw": "true"})).json()

    assert plain["links"] == ["https://example.test/confirm"]
    assert plain["codes"] == ["123456"]
    assert "raw" not in plain
    assert base64.b64decode(full["raw"]) == MAIL
    assert (await http.get("/api/bindpost/v1/messages/latest?raw=1")).json() == full


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"subject_regex": "("}, "the pattern '(' is none of RE2's: missing ): ("),
        ({"subject_regex": "(?=a)"}, "is none of RE2's: invalid perl operator: (?="),
        ({"subject_regex": "(" * 300}, f"a pattern is longer than {PATTERN_LIMIT} characters"),
        ({"header_regex": r"X: (a)\1"}, "is none of RE2's"),
        ({"header": "no colon"}, "'no colon' is no header field; write NAME: VALUE"),
        ({"header": ": x"}, "is no header field"),
        ({"header": ["X: y"] * 11}, f"more than {CONDITION_LIMIT} header fields"),
        ({"has_link": "perhaps"}, "has_link='perhaps' is neither true nor false"),
        ({"raw": ""}, "raw='' is neither true nor false"),
    ],
)
async def test_what_cannot_be_waited_for_is_refused(
    http: httpx.AsyncClient, parameters: dict[str, str | list[str]], text: str
) -> None:
    """A condition that means nothing is answered at once, with what is wrong with it."""
    response = await http.get(WAIT, params=parameters)

    assert response.status_code == 400
    assert text in response.text


@pytest.mark.parametrize("pattern", ["(a+)+$", "(.*)(.*)(.*)(.*)x", "((a{9}){9}){9}b", "(a|a)*$b"])
async def test_hostile_patterns_take_no_time(
    http: httpx.AsyncClient, deliver: Deliver, pattern: str
) -> None:
    """A pattern that other libraries never come to an end with is looked for in a moment."""
    await deliver(b"X-A: " + b"a" * 60_000 + b"!\r\n\r\n")

    start = time.process_time()
    assert await asked(http, header_regex=f"X-A: {pattern}") in (200, 204)

    assert time.process_time() - start < 5
