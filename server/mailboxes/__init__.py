"""Mailboxes: parts of the inbox, by rules, each with keys of its own if wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self, final

from bindpost.config.model import Mailbox
from bindpost.errors import ConfigError

from ..message.model import Envelope, SessionFacts
from .keys import Keys
from .rules import STAR, Rule, mailboxes_of, name_of

__all__ = ["Keys", "Mailboxes", "name_of"]


@final
@dataclass(frozen=True, slots=True)
class Mailboxes:
    """The `[[mailbox]]`es of an app: what puts messages in, and who may see them."""

    rules: tuple[Rule, ...] = ()
    keys: Keys = field(default_factory=Keys)

    @classmethod
    def load(cls, tables: Sequence[Mailbox], *, folder: Path) -> Self:
        """Read the settings and the files that they name. Raises `ConfigError`."""
        rules = [_rule(table, f"mailbox[{index}]") for index, table in enumerate(tables)]
        for index, rule in enumerate(rules):
            if rule.name in [other.name for other in rules[:index]]:
                what = f'there are two mailboxes "{rule.name}"'
                raise ConfigError(f"mailbox[{index}].name", what)
        named = [(rule.name, table) for rule, table in zip(rules, tables, strict=True)]
        keys = Keys.load(named, folder=folder)
        return cls(tuple(_with_users(rule, keys) for rule in rules), keys)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that stand in the settings, those with a star left out."""
        return tuple(rule.name for rule in self.rules if not rule.is_automatic)

    def may_make(self, name: str) -> bool:
        """Say whether there is a mailbox of this name, or will be when mail for it comes."""
        return any(rule.may_make(name) for rule in self.rules)

    def of(self, envelope: Envelope, session: SessionFacts) -> tuple[str, ...]:
        """Give the mailboxes that a message is in."""
        return mailboxes_of(self.rules, envelope, session) if self.rules else ()


def _rule(table: Mailbox, key: str) -> Rule:
    rule = Rule(
        name=table.name.casefold(),
        domains=_folded(table.domains),
        plus_tags=_folded(table.plus_tags),
        logins=_folded(table.logins),
        listeners=table.listeners,
    )
    if name_of(rule.name.replace(STAR, "x", 1)) is None:
        raise ConfigError(
            f"{key}.name",
            f'"{table.name}" is no name',
            hint="up to 100 letters, digits and . _ - with one * at most, the first no sign",
        )
    _check_patterns(rule, key)
    has_keys = bool(table.users or table.tokens)
    if rule.is_automatic and has_keys:
        raise ConfigError(f"{key}.name", "a mailbox with a * in its name can't have keys")
    if not (rule.domains or rule.plus_tags or rule.logins or rule.listeners or table.users):
        what = f'nothing puts mail into the mailbox "{rule.name}"'
        raise ConfigError(key, what, hint="give domains, plus_tags, logins, listeners or users")
    return rule


def _check_patterns(rule: Rule, key: str) -> None:
    patterns = {"domains": rule.domains, "plus_tags": rule.plus_tags, "logins": rule.logins}
    for name, texts in patterns.items():
        for text in texts:
            if not text or text.count(STAR) > 1:
                raise ConfigError(f"{key}.{name}", f'"{text}" is no pattern with one * at most')
            if rule.is_automatic and STAR not in text:
                what = f'"{text}" has no * for that in the name "{rule.name}"'
                raise ConfigError(f"{key}.{name}", what)
    if rule.is_automatic and rule.listeners:
        raise ConfigError(f"{key}.listeners", "they can't give a mailbox its name")


def _with_users(rule: Rule, keys: Keys) -> Rule:
    """Let the users of a mailbox put mail into it by logging in to SMTP."""
    own = tuple(name for name, key in keys.users.items() if key.mailbox == rule.name)
    return replace(rule, logins=rule.logins + own)


def _folded(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(text.casefold() for text in texts)
