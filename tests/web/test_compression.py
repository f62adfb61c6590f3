"""Answers are compressed for who asks, and not where that could tell a secret."""

from __future__ import annotations

import httpx
import pytest

from bindpost.server.web.compression import SMALLEST

from .conftest import Deliver

GZIP = {"Accept-Encoding": "gzip"}
WORDS = b"Subject: long\r\n\r\n" + b"the same words again\r\n" * 1_000


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/static/inbox.js",
        "/static/style.css",
        "/api/v1/messages",
        "/api/v1/message/latest",
        "/api/v1/message/latest/raw",
        "/api/bindpost/v1/openapi.json",
    ],
)
async def test_text_is_compressed_for_who_asks(
    http: httpx.AsyncClient, deliver: Deliver, path: str
) -> None:
    """Pages, scripts, styles, JSON and source are the same, in fewer bytes, and say so."""
    for _ in range(10):
        await deliver(WORDS)

    plain = await http.get(path, headers={"Accept-Encoding": "identity"})
    packed = await http.get(path, headers=GZIP)

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["vary"]
    assert int(packed.headers["content-length"]) < len(plain.content)
    if not path.endswith("latest"):  # reading it marks it read
        assert packed.content == plain.content


@pytest.mark.parametrize("path", ["/livez", "/api/v1/tags", "/static/blank.jpg"])
async def test_what_gains_nothing_is_left_alone(http: httpx.AsyncClient, path: str) -> None:
    """Small answers and pictures come as they are."""
    answer = await http.get(path, headers=GZIP)

    assert "content-encoding" not in answer.headers
    assert len(answer.content) < SMALLEST


async def test_bytes_to_keep_are_left_alone(http: httpx.AsyncClient, deliver: Deliver) -> None:
    """A message as a file has its own length, whoever asks."""
    row = await deliver(WORDS)

    answer = await http.get(f"/api/bindpost/v1/messages/{row.id}/raw", headers=GZIP)

    assert "content-encoding" not in answer.headers
    assert int(answer.headers["content-length"]) == len(WORDS)


@pytest.mark.parametrize(
    ("site", "is_compressed"),
    [("same-origin", True), ("none", True), ("same-site", False), ("cross-site", False)],
)
async def test_what_another_site_asks_for_is_not_compressed(
    http: httpx.AsyncClient, deliver: Deliver, site: str, is_compressed: bool
) -> None:
    """The size of an answer that another site brought about tells nothing of what is in it."""
    for _ in range(10):
        await deliver(WORDS)

    answer = await http.get("/?q=words", headers={**GZIP, "Sec-Fetch-Site": site})

    assert ("content-encoding" in answer.headers) == is_compressed
