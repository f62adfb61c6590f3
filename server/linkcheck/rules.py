"""Rules: what may be asked, and how much, as the settings say."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from bindpost.config.model import LinkCheck
from bindpost.errors import ConfigError

from ..outgoing.places import Network, may_be_asked, read_networks


@dataclass(frozen=True, kw_only=True)
class Rules:
    """
    The limits of the link check; times are in seconds.

    `networks` are the private addresses that may be asked. `per_minute` counts requests, so each
    redirect that is followed is one. `ca_file` has the certificates to trust, else the system's.
    """

    networks: tuple[Network, ...] = ()
    ca_file: Path | None = None
    links: int = 100
    at_once: int = 8
    timeout: float = 10.0
    whole_timeout: float = 60.0
    per_minute: int = 300

    @classmethod
    def load(cls, table: LinkCheck, *, folder: Path) -> Self | None:
        """Read them, None where the check is off; touches no network. Raises `ConfigError`."""
        if not table.enabled:
            return None
        try:
            networks = read_networks(table.networks)
        except ValueError as error:
            raise ConfigError("link_check.networks", str(error)) from None
        rules = cls(
            networks=networks,
            ca_file=folder / table.ca_file if table.ca_file else None,
            links=table.links,
            timeout=table.timeout,
            per_minute=table.per_minute,
        )
        if rules.ca_file is not None:
            try:
                _ = rules.context
            except OSError as error:  # an ssl.SSLError too
                raise ConfigError(
                    "link_check.ca_file",
                    f"{rules.ca_file}: {error.strerror or error}",
                    hint="name a PEM file of certificates",
                ) from None
        return rules

    @cached_property
    def context(self) -> ssl.SSLContext:
        """What TLS trusts; to read the system's certificates takes a tenth of a second."""
        return ssl.create_default_context(cafile=self.ca_file)

    def may_be_asked(self, address: str) -> bool:
        """Say whether a request may go to this address."""
        return may_be_asked(address, self.networks)
