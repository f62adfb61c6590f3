"""Hook: a `[[webhook]]` read from the settings and checked: where to, for which messages."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from bindpost.config.model import Webhook
from bindpost.errors import ConfigError

from ..durable.patterns import Patterns
from ..outgoing.places import read_networks
from ..store.rules import fold
from ..store.store import ChangeKind, MessageRow
from .signature import key_of
from .target import Target

RECEIVED: Final = "message.received"
TYPES: Final[Mapping[ChangeKind, str]] = {
    "added": RECEIVED,
    "marked": "message.marked",
    "tagged": "message.tagged",
    "deleted": "message.deleted",
}
"""What a receiver is told, by the kind of the store's change."""
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A webhook: `types` are what it is told, `key` signs, None for no signature."""

    settings: Webhook
    target: Target
    recipients: Patterns
    senders: Patterns
    key: bytes | None = field(default=None, repr=False)

    @classmethod
    def load_all(cls, tables: Sequence[Webhook], *, folder: Path) -> tuple[Self, ...]:
        """Read all of them; touches no network. Raises `ConfigError`."""
        hooks: list[Self] = []
        for index, table in enumerate(tables):
            key = f"webhook[{index}]"
            if table.name in [hook.name for hook in hooks]:
                raise ConfigError(f"{key}.name", f'there are two webhooks "{table.name}"')
            hooks.append(cls._load(table, key, folder))
        return tuple(hooks)

    @classmethod
    def _load(cls, table: Webhook, key: str, folder: Path) -> Self:
        if not _NAME.fullmatch(table.name):
            raise ConfigError(
                f"{key}.name",
                f'"{table.name}" is no name',
                hint="up to 100 letters, digits and . _ - tell it from the others",
            )
        _check_types(table, key)
        return cls(
            settings=table,
            target=_target(table, key, folder),
            recipients=Patterns(table.recipients),
            senders=Patterns(table.senders),
            key=_key(table, key, folder),
        )

    @property
    def name(self) -> str:
        """Its name."""
        return self.settings.name

    @property
    def types(self) -> tuple[str, ...]:
        """What it is told."""
        return self.settings.events

    def wants(self, row: MessageRow) -> bool:
        """Say whether it is told of this message."""
        envelope = row.envelope
        return (
            RECEIVED in self.types
            and (
                not self.recipients
                or any(self.recipients.match(to.address) for to in envelope.recipients)
            )
            and (not self.senders or self.senders.match(envelope.reverse_path))
            and fold(self.settings.subject) in fold(row.fields.subject)
        )


def _check_types(table: Webhook, key: str) -> None:
    unknown = [name for name in table.events if name not in TYPES.values()]
    if unknown or not table.events:
        what = f'"{unknown[0]}" is none' if unknown else "it is empty"
        raise ConfigError(f"{key}.events", f"{what}; there are {', '.join(TYPES.values())}")
    filters = table.recipients or table.senders or table.subject
    if filters and table.events != (RECEIVED,):
        raise ConfigError(
            f"{key}.events",
            f"recipients, senders and subject choose among {RECEIVED} only",
            hint="make two webhooks of it",
        )


def _target(table: Webhook, key: str, folder: Path) -> Target:
    try:
        networks = read_networks(table.networks)
    except ValueError as error:
        raise ConfigError(f"{key}.networks", str(error)) from None
    try:
        target = Target.parse(table.url, networks=networks)
    except ValueError as error:
        raise ConfigError(f"{key}.url", str(error)) from None
    if target.scheme == "http":
        return target
    path = folder / table.ca_file if table.ca_file else None
    try:
        return replace(target, context=ssl.create_default_context(cafile=path))
    except OSError as error:  # an ssl.SSLError too
        raise ConfigError(
            f"{key}.ca_file",
            f"{path}: {error.strerror or error}",
            hint="name a PEM file of certificates",
        ) from None


def _key(table: Webhook, key: str, folder: Path) -> bytes | None:
    secret, where = table.secret, f"{key}.secret"
    if table.secret_file:
        if secret:
            raise ConfigError(where, "is set, and secret_file too", hint="give one of them")
        where = f"{key}.secret_file"
        path = folder / table.secret_file
        try:
            secret = path.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigError(where, f"{path}: {reason}") from None
        if not secret:
            raise ConfigError(where, f"{path} is empty")
    try:
        return key_of(secret) if secret else None
    except ValueError as error:
        raise ConfigError(where, str(error)) from None
