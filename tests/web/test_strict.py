"""Bindpost's own API takes no parameter for something that it isn't; Mailpit's takes any."""

from __future__ import annotations

import httpx
import pytest

PREFIX = "/api/bindpost/v1"


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("GET", "/wait?recipint=jane@example.test&timeout=0", "did you mean recipient?"),
        ("GET", "/messages?subjct=x", "did you mean subject?"),
        ("DELETE", "/messages?mailbx=team", "did you mean mailbox?"),
        ("GET", "/messages/latest?x=1", "there are raw, mailbox."),
    ],
)
async def test_a_misspelt_parameter_is_refused(
    http: httpx.AsyncClient, method: str, path: str, said: str
) -> None:
    """It would have meant any mail, or the whole inbox."""
    answer = await http.request(method, PREFIX + path)

    assert answer.status_code == 400
    assert f"is no parameter of {method} {PREFIX}/" in answer.text
    assert said in answer.text


async def test_what_is_known_is_taken(http: httpx.AsyncClient) -> None:
    """HEAD takes what GET does, and Mailpit's routes whatever its clients say."""
    assert (await http.head(f"{PREFIX}/messages?limit=1&tz=Europe/Berlin")).status_code == 200
    assert (await http.get("/api/v1/messages?anything=1")).status_code == 200
