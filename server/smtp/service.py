"""The SMTP service of a listener: what the settings make of it, and its sessions' factory."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from bindpost.config.model import Listener, Settings
from bindpost.errors import ConfigError
from bindpost.proxy.haproxy.trusted import TrustedSenders

from ..faults import Faults
from ..faults.bounces import Bounces
from ..logins import Users, read_users
from ..mailboxes import Keys
from ..store.store import MessageStore
from . import personality
from .conversation import Rules
from .fast import fast_sessions
from .lmtp import LmtpProtocol
from .personality import Personality
from .policy import Policy
from .protocol import SmtpProtocol, Surroundings
from .protocol_log import ProtocolLog
from .reverse import Lookup, reverse_name
from .sessions import Sessions
from .tls import SELF_SIGNED, make_context

TRUSTED: Final = "listener.xclient_trusted"
"""The setting that says who is trusted."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What all listeners of an app share, made from the settings once."""

    settings: Settings
    hostname: str
    policy: Policy
    users: Users | None
    tls_context: ssl.SSLContext | None
    keys: Keys = field(default_factory=Keys)

    @classmethod
    def load(
        cls, settings: Settings, *, hostname: str, folder: Path, keys: Keys | None = None
    ) -> Self:
        """
        Read certificate, users and rules; touches no network.

        `folder` is what relative file names are relative to, `keys` are those of mailboxes. Raises
        `ConfigError`.
        """
        tls = settings.tls
        modes = [settings.pop3.tls, *(listener.tls for listener in settings.listener)]
        if not tls.certificate and not {"starttls", "implicit"}.isdisjoint(modes):
            tls = type(tls)(certificate=SELF_SIGNED)
        return cls(
            settings=settings,
            hostname=hostname,
            policy=Policy.from_settings(settings.ims),
            users=read_users(folder / settings.auth.users) if settings.auth.users else None,
            tls_context=make_context(tls, hostname=hostname, folder=folder),
            keys=keys or Keys(),
        )

    def rules_of(self, listener: Listener) -> Rules:
        """Give the rules of a listener's conversations. Raises `ConfigError`."""
        name = listener.personality or self.settings.personality
        return Rules(
            personality=self._spoken(personality.load(name), listener),
            policy=self.policy,
            limits=self.settings.limits,
            hostname=self.hostname,
            tls_available=self.starttls_context(listener) is not None,
            users=frozenset(self.users) if self.users is not None else None,
            lmtp=listener.protocol == "lmtp",
            trusted=self._trusted(listener),
        )

    def _spoken(self, words: Personality, listener: Listener) -> Personality:
        """Give a personality as it speaks a listener's protocol. Raises `ConfigError`."""
        if listener.xclient_trusted and not words.offers("XCLIENT"):
            raise ConfigError(
                TRUSTED,
                f"the personality {words.name} knows no XCLIENT",
                hint='give this listener personality = "plain"',
            )
        if listener.protocol == "smtp":
            return words
        if not words.lmtp:
            raise ConfigError(
                "listener.protocol",
                f"the personality {words.name} speaks no LMTP",
                hint='give this listener personality = "plain"',
            )
        return words.in_lmtp()

    def _trusted(self, listener: Listener) -> TrustedSenders | None:
        entries = listener.xclient_trusted
        return TrustedSenders(entries, key=TRUSTED) if entries else None

    def starttls_context(self, listener: Listener) -> ssl.SSLContext | None:
        """Give the context for STARTTLS, None where it isn't offered."""
        return self.tls_context if listener.tls in ("auto", "starttls") else None

    def implicit_context(self, listener: Listener) -> ssl.SSLContext | None:
        """Give the context for TLS from the first byte, None where it isn't wanted."""
        return self.tls_context if listener.tls == "implicit" else None


def session_factory(
    resources: Resources,
    listener: Listener,
    *,
    via: str,
    store: MessageStore,
    sessions: Sessions,
    faults: Faults | None = None,
    bounces: Bounces | None = None,
    protocol_log: ProtocolLog | None = None,
    lookup: Lookup = reverse_name,
) -> Callable[[], SmtpProtocol]:
    """
    Give the factory that makes a listener's sessions in the running loop, on either engine.

    `faults` and `bounces` are those of the app; without them no fault strikes.
    """
    surroundings = Surroundings(
        listener=listener.endpoint,
        via=via,
        rules=resources.rules_of(listener),
        store=store,
        sessions=sessions,
        faults=faults or Faults(),
        bounces=bounces or Bounces(store, hostname=resources.hostname),
        tls_context=resources.starttls_context(listener),
        users=resources.users,
        keys=resources.keys,
        protocol_log=protocol_log,
        lookup=lookup,
        max_sessions=resources.settings.ims.max_inbound_connections,
    )
    loop = asyncio.get_running_loop()
    if resources.settings.engine == "fast":
        return fast_sessions(surroundings, loop)
    plain = LmtpProtocol if surroundings.rules.lmtp else SmtpProtocol
    return lambda: plain(surroundings, loop=loop)
