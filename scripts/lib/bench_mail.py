"""The mail that `scripts/bench inbox` fills an inbox with: varied, and the same in every run."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

SEED: Final = 55
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
TAGS: Final = ("billing", "ci", "monitoring", "newsletter", "orders", "signup")
COMMON: Final = "regards"
"""A word that most of the messages end with."""
PEOPLE: Final = 2_000
WORDS: Final = 12_000

_SYLLABLES: Final = re.findall(
    "..",
    "anarbedediengeerficoisintalalelilomamemimonanenonopapereriraresarosesistasotatetitotratuunvevo",
)
_TOPICS: Final = ("Invoice", "Your order", "Build failed", "Reset your password", "Weekly report")


class Letter(NamedTuple):
    """A message and its envelope."""

    received: datetime
    sender: str
    recipient: str
    raw: bytes


def order_number(number: int) -> str:
    """Give what stands in the body of this message (from 0) and in no other: a rare term."""
    return f"ref-{(number * 7919 + 104_729) % 10_000_019:07d}x"


def letters(count: int) -> Iterator[Letter]:
    """Give so many messages, oldest first; of a kilobyte or two, every tenth with a file."""
    chance = random.Random(SEED)  # noqa: S311 - mail to measure by, no secret
    words = ["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4))) for _ in range(WORDS)]
    weights = [1 / (rank + 5) for rank in range(WORDS)]
    people = [
        (f"{first} {last}".title(), f"{first}.{last}{number}@{chance.choice(words)}.example")
        for number in range(PEOPLE)
        for first, last in [chance.choices(words, k=2)]
    ]
    many = chance.choices(words, weights, k=1_000_000)  # drawing one by one takes most of the time
    for number in range(count):
        start = chance.randrange(len(many) - 400)
        text = many[start : start + chance.randint(30, 300)]
        yield _letter(number, text, chance, people)


def _letter(
    number: int, words: Sequence[str], chance: random.Random, people: Sequence[tuple[str, str]]
) -> Letter:
    (name, sender), (to_name, recipient) = chance.choice(people), chance.choice(people)
    tag = chance.choice(TAGS) if number % 4 == 0 else ""
    header = (
        f"From: {name} <{sender}>\r\nTo: {to_name} <{recipient}>\r\n"
        f"Subject: {chance.choice(_TOPICS)} {' '.join(words[:3])}\r\n"
        f"Date: {START:%a, %d %b %Y %H:%M:%S} +0000\r\nMessage-ID: <{number}@bench.example>\r\n"
        + (f"X-Tags: {tag}\r\n" if tag else "")
        + "MIME-Version: 1.0\r\n"
    )
    text = _text(number, words)
    form = _FORMS[number % 10]
    return Letter(
        START + timedelta(seconds=number), sender, recipient, (header + form(text)).encode()
    )


def _text(number: int, words: Sequence[str]) -> str:
    lines = [" ".join(words[start : start + 12]) for start in range(0, len(words), 12)]
    return "\r\n".join(["Hello,", "", *lines, "", order_number(number), f"Kind {COMMON}", ""])


def _plain(text: str) -> str:
    return f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}"


def _both(text: str) -> str:
    markup = "".join(f"<p>{line}</p>\r\n" for line in text.split("\r\n"))
    return (
        "Content-Type: multipart/alternative; boundary=cut\r\n\r\n"
        f"--cut\r\n{_plain(text)}\r\n--cut\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        f"<html><head><style>p {{ margin: 0 }}</style></head><body>{markup}</body></html>\r\n"
        "--cut--\r\n"
    )


def _with_file(text: str) -> str:
    return (
        "Content-Type: multipart/mixed; boundary=outer\r\n\r\n"
        f"--outer\r\n{_plain(text)}\r\n--outer\r\nContent-Type: application/pdf\r\n"
        "Content-Disposition: attachment; filename=invoice.pdf\r\n"
        f"Content-Transfer-Encoding: base64\r\n\r\n{'JVBERi0xLjQK' * 50}\r\n--outer--\r\n"
    )


_FORMS: Final = (_with_file, *(_both,) * 4, *(_plain,) * 5)
