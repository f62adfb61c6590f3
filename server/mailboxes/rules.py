"""
Which mailboxes a message is in: decided once, when it is accepted, from envelope and session.

Pure functions. A mailbox whose name has a star is as many as there are texts for the star.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, final

from ..message.model import Envelope, SessionFacts
from ..message.tags import plus_tags

STAR: Final = "*"
AUTOMATIC_LIMIT: Final = 100
"""Mailboxes with a star in their rule that one message can be in: recipients may be thousands."""
NAME: Final = r"[a-z0-9][a-z0-9._-]{0,99}"
_NAME: Final = re.compile(NAME)


def name_of(text: str) -> str | None:
    """Give a mailbox's name in the form in which it is kept, small letters; None for no name."""
    name = text.casefold()
    return name if _NAME.fullmatch(name) else None


class Known(NamedTuple):
    """What rules look at of a message, in small letters."""

    domains: frozenset[str]
    plus_tags: frozenset[str]
    logins: frozenset[str]
    listeners: frozenset[str]


def known_of(envelope: Envelope, session: SessionFacts) -> Known:
    """Give what rules look at; an address without a domain has none."""
    addresses = [recipient.address.casefold() for recipient in envelope.recipients]
    domains = [address.rpartition("@") for address in addresses]
    return Known(
        domains=frozenset(domain for _, at, domain in domains if at and domain),
        plus_tags=frozenset(tag for address in addresses for tag in plus_tags(address) if tag),
        logins=frozenset([session.login.casefold()] if session.login else []),
        listeners=frozenset([session.listener]),
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    The rules of one `[[mailbox]]`: any pattern that fits puts a message in.

    Patterns and name are in small letters, listeners as they are. A pattern has at most one star,
    which stands for one character or more. If `name` has a star too, it stands there for the same.
    """

    name: str
    domains: tuple[str, ...] = ()
    plus_tags: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    listeners: tuple[str, ...] = ()

    @property
    def is_automatic(self) -> bool:
        """Whether its mailboxes get their names from messages."""
        return STAR in self.name

    def may_make(self, name: str) -> bool:
        """Say whether a mailbox of this name can come from this rule."""
        return star_of(self.name, name) is not None

    def names(self, known: Known) -> Iterator[str]:
        """Give the mailboxes that a message is in by this rule; what would be no name is none."""
        for stars in self._stars(known):
            if name := name_of(self.name.replace(STAR, stars)):
                yield name

    def _stars(self, known: Known) -> Iterator[str]:
        """Give what the star stood for in each pattern that fits."""
        for patterns, texts in (
            (self.domains, known.domains),
            (self.plus_tags, known.plus_tags),
            (self.logins, known.logins),
            (self.listeners, known.listeners),
        ):
            for pattern in patterns:
                for text in sorted(texts) if STAR in pattern else texts & {pattern}:
                    if (star := star_of(pattern, text)) is not None:
                        yield star


def star_of(pattern: str, text: str) -> str | None:
    """Give what the star of a pattern stands for in a text; None if it doesn't fit."""
    before, star, behind = pattern.partition(STAR)
    if not star:
        return "" if text == pattern else None
    fits = text.startswith(before) and text.endswith(behind)
    middle = text[len(before) : len(text) - len(behind)]
    return middle if fits and middle else None


def mailboxes_of(
    rules: Sequence[Rule], envelope: Envelope, session: SessionFacts
) -> tuple[str, ...]:
    """Give the mailboxes that a message is in, in order; none = only in the whole inbox."""
    known = known_of(envelope, session)
    named = _names((rule for rule in rules if not rule.is_automatic), known)
    automatic = _names((rule for rule in rules if rule.is_automatic), known, limit=AUTOMATIC_LIMIT)
    return tuple(sorted(named | automatic))


def _names(rules: Iterable[Rule], known: Known, *, limit: int | None = None) -> set[str]:
    found: set[str] = set()
    for rule in rules:
        for name in rule.names(known):
            if limit is not None and len(found) >= limit:
                return found
            found.add(name)
    return found
