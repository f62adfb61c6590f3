"""The links of a message, and the parts of it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindpost.server.message.links import (
    LINK_LIMIT,
    Link,
    cut_at_urls,
    find_addresses,
    find_links,
)
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


def test_what_a_message_needs_of_the_web_is_found_once() -> None:
    """Links first, then pictures and style sheets; other forms of links and addresses are none."""
    markup = (
        "<a href='https://a.example/'>x</a><a href=mailto:b@x>b</a><a href=/relative>r</a>"
        "<link rel=stylesheet href=https://c.example/x.css><link rel=icon href=https://no.example>"
        "<img alt='' src='https://d.example/?a=1&amp;b=2'><img src=cid:x><img src=data:,x>"
        "<IMG SRC=https://a.example/><img data-src=https://no.example/>"
    )

    assert find_addresses(find_links("http://e.example.", markup), markup) == [
        "https://a.example/",
        "http://e.example",
        "https://c.example/x.css",
        "https://d.example/?a=1&b=2",
    ]
    many = "".join(f"<img src=http://a.example/{number}>" for number in range(LINK_LIMIT + 1))
    assert len(find_addresses([], many)) == LINK_LIMIT


@given(st.text(alphabet="ahtps:/. ,)x\n<>\"'", max_size=60))
def test_a_text_that_is_cut_is_whole(text: str) -> None:
    """The pieces of a text are the text."""
    assert "".join(before + url for before, url in cut_at_urls(text)) == text


@pytest.mark.parametrize(
    "piece",
    [
        *("<a href=", "<a href='", "<a ", "<a href = x ", "https://", "<a href=x>", "http://a."),
        *("<img src=", "<img src=x>", "<link rel=stylesheet ", "<link rel=rel=rel= href=x>"),
    ],
)
def test_hostile_markup_takes_no_time(piece: str) -> None:
    """A megabyte of anything is looked through at once, and gives so many links at most."""
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()

    found = find_links(text, text)
    addresses = find_addresses(found, text)

    assert time.process_time() - started < 5
    assert len(found) <= LINK_LIMIT
    assert len(addresses) <= LINK_LIMIT


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
