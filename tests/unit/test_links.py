"""The links of a message, and the parts of it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.server.message.links import LINK_LIMIT, Link, cut_at_urls, find_links
from bindpost.server.message.parts import tree


def test_links_of_html_and_text_are_found_once() -> None:
    """Anchors come with their words, addresses in the text without; each once."""
    markup = (
        '<a href="https://a.example/?x=1&amp;y=2"><b>The</b>\n offer</a> <A HREF=mailto:b@x>b</A>'
        "<a href='#top'>top</a><a name=x>no</a><area shape=rect href='https://c.example'>"
    )
    text = "See https://a.example/?x=1&y=2, or (http://d.example/e)."

    assert find_links(text, markup) == [
        Link("https://a.example/?x=1&y=2", "The offer"),
        Link("mailto:b@x", "b"),
        Link("https://c.example", ""),
        Link("http://d.example/e", ""),
    ]


@given(st.text(alphabet="ahtps:/. ,)x\n<>\"'", max_size=60))
def test_a_text_that_is_cut_is_whole(text: str) -> None:
    """The pieces of a text are the text."""
    assert "".join(before + url for before, url in cut_at_urls(text)) == text


@pytest.mark.parametrize(
    "piece", ["<a href=", "<a href='", "<a ", "<a href = x ", "https://", "<a href=x>", "http://a."]
)
def test_hostile_markup_takes_no_time(piece: str) -> None:
    """A megabyte of anything is looked through at once, and gives so many links at most."""
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()

    found = find_links(text, text)

    assert time.process_time() - started < 5
    assert len(found) <= LINK_LIMIT


def test_the_tree_tells_how_parts_hang_together() -> None:
    """Each part has its number, its depth and what it says of itself."""
    raw = (
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\nx\r\n--b--\r\n--a\r\n"
        b'Content-Type: image/png\r\nContent-Disposition: inline; filename="p.png"\r\n'
        b"Content-Transfer-Encoding: Base64\r\nContent-ID: <i@x>\r\n\r\nAAAA\r\n--a--\r\n"
    )

    found = [(part.id, part.depth, part.content_type, part.size) for part in tree(raw)]

    assert [part[:3] for part in found] == [
        ("0", 0, "multipart/mixed"),
        ("1", 1, "multipart/alternative"),
        ("1.1", 2, "text/plain"),
        ("2", 1, "image/png"),
    ]
    picture = tree(raw)[3]
    assert (picture.file_name, picture.encoding, picture.content_id, picture.size) == (
        *("p.png", "base64", "i@x", 4),
    )
    assert [part.is_container for part in tree(raw)] == [True, True, False, False]
