"""What may be a tag, and those that a message brings along."""

from __future__ import annotations

import pytest

from bindpost.server.message.headers import HeaderFields
from bindpost.server.message.model import Envelope, Recipient
from bindpost.server.message.tags import TAG_LIMIT, clean_tag, clean_tags, read_tags


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("Plain", "Plain"),
        (" a   b ", "a b"),
        ("a/b\r\nc", "a b c"),
        ("a-b_c.d@e", "a-b_c.d@e"),
        ("é", ""),
        ("<>", ""),
        ("x" * 200, "x" * 100),
        ("x" * 99 + " y", "x" * 99),
    ],
)
def test_a_name_is_cleaned(name: str, tag: str) -> None:
    """Letters, digits, space and `-_.@` stay, up to 100 characters; the rest is a space."""
    assert clean_tag(name) == tag


def test_tags_are_unique_and_sorted() -> None:
    """Each tag is there once whatever its case, the first way of writing counts."""
    assert clean_tags(["b", "A", "a", "", "B"]) == ("A", "b")


def test_a_message_has_so_many_tags_and_no_more() -> None:
    """Tags beyond the limit are left out."""
    assert len(clean_tags(str(number) for number in range(10_000))) == TAG_LIMIT


@pytest.mark.parametrize(
    ("address", "tags"),
    [
        ("bob+a@x", ("a",)),
        ("bob+a+b@x", ("a", "b")),
        ("bob@x+y", ()),
        ("+a@x", ()),
        ("bob+@x", ()),
        ("bob+a", ("a",)),
        ("", ()),
    ],
)
def test_tags_stand_behind_a_plus(address: str, tags: tuple[str, ...]) -> None:
    """What follows a plus in a local part is a tag."""
    envelope = Envelope("from+not@x", (Recipient(address),))

    assert read_tags(envelope, HeaderFields()) == tags


def test_lone_surrogates_do_no_harm() -> None:
    """Octets outside of any charset are no part of a tag."""
    envelope = Envelope("", (Recipient("a+\udcff@x"),))

    assert read_tags(envelope, HeaderFields(to="\ufffd+b@x", x_tags="c,\ufffd")) == ("b", "c")
