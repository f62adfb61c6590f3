"""The SMTP service of a listener: what the settings make of it, and its sessions' factory."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import msgspec

from bindpost.config.kinds import Asking
from bindpost.config.model import Listener, Settings
from bindpost.errors import ConfigError
from bindpost.proxy.haproxy.trusted import TrustedSenders

from ..faults import Faults
from ..faults.bounces import Bounces
from ..logins import read_users
from ..mailboxes import Keys
from ..store.store import MessageStore
from .accounts import Accounts
from .fast import fast_sessions
from .lmtp import LmtpProtocol
from .personality import Personality, load
from .policy import Policy
from .protocol import SmtpProtocol, Surroundings
from .protocol_log import ProtocolLog
from .reverse import Lookup, reverse_name
from .rules import Rules
from .sessions import Sessions
from .tls import SELF_SIGNED, make_contexts

TRUSTED: Final = "listener.xclient_trusted"
"""The setting that says who is trusted."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What all listeners of an app share, made from the settings once."""

    settings: Settings
    hostname: str
    policy: Policy
    accounts: Accounts
    tls_contexts: Mapping[Asking, ssl.SSLContext]
    personalities: Mapping[str, Personality]
    """By their names in the settings, files by their paths."""
    node: str | None = None
    """The name of this node, where several may have the inbox."""

    @classmethod
    def load(
        cls,
        settings: Settings,
        *,
        hostname: str,
        folder: Path,
        keys: Keys | None = None,
        node: str | None = None,
    ) -> Self:
        """
        Read certificate, users, rules and personalities; touches no network.

        `folder` is what relative file names are relative to, `keys` are those of mailboxes. Raises
        `ConfigError`.
        """
        tls = settings.tls
        modes = [settings.pop3.tls, *(listener.tls for listener in settings.listener)]
        if not tls.certificate and not {"starttls", "implicit"}.isdisjoint(modes):
            tls = msgspec.structs.replace(tls, certificate=SELF_SIGNED)
        contexts = make_contexts(tls, hostname=hostname, folder=folder)
        for index, listener in enumerate(settings.listener):
            _check_asking(index, listener, possible=bool(tls.client_ca))
        users = read_users(folder / settings.auth.users) if settings.auth.users else None
        chosen = {listener.personality for listener in settings.listener} - {""}
        return cls(
            settings=settings,
            hostname=hostname,
            policy=Policy.from_settings(settings.ims),
            accounts=Accounts(users, keys or Keys()),
            tls_contexts=contexts,
            personalities={name: load(name) for name in (settings.personality, *sorted(chosen))},
            node=node,
        )

    @property
    def personality(self) -> Personality:
        """The general personality."""
        return self.personalities[self.settings.personality]

    def personality_of(self, listener: Listener) -> Personality:
        """Give the personality of one of the settings' listeners."""
        return self.personalities[listener.personality or self.settings.personality]

    def rules_of(self, listener: Listener) -> Rules:
        """Give the rules of a listener's conversations. Raises `ConfigError`."""
        users = self.accounts.users
        uncertified = frozenset({"EXTERNAL"} if self._asking(listener) == "off" else ())
        return Rules(
            personality=self._spoken(self.personality_of(listener), listener),
            policy=self.policy,
            limits=self.settings.limits,
            hostname=self.hostname,
            tls_available=listener.tls != "implicit" and self.tls_context_of(listener) is not None,
            users=frozenset(users) if users is not None else None,
            withheld=self.accounts.withheld | uncertified,
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

    @property
    def tls_context(self) -> ssl.SSLContext | None:
        """The context of those who ask no client for a certificate; None without TLS."""
        return self.tls_contexts.get("off")

    def tls_context_of(self, listener: Listener) -> ssl.SSLContext | None:
        """Give the context of a listener's TLS, None where there is none."""
        return None if listener.tls == "off" else self.tls_contexts.get(self._asking(listener))

    def _asking(self, listener: Listener) -> Asking:
        """Tell how a listener asks its clients for certificates."""
        if listener.client_certificates == "auto":
            return "optional" if "optional" in self.tls_contexts else "off"
        return listener.client_certificates


def _check_asking(index: int, listener: Listener, *, possible: bool) -> None:
    """Raise `ConfigError` for a listener that asks for certificates, but can't."""
    if listener.client_certificates not in ("optional", "required"):
        return
    key = f"listener[{index}].client_certificates"
    if not possible:
        raise ConfigError(
            key, "nobody's certificates can be verified", hint="name their authority: tls.client_ca"
        )
    if listener.tls == "off":
        raise ConfigError(key, "a listener without TLS sees no certificates")


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
        tls_context=resources.tls_context_of(listener),
        tls_first=listener.tls == "implicit",
        accounts=resources.accounts,
        protocol_log=protocol_log,
        lookup=lookup,
        node=resources.node,
        max_sessions=resources.settings.ims.max_inbound_connections,
    )
    loop = asyncio.get_running_loop()
    if resources.settings.engine == "fast":
        return fast_sessions(surroundings, loop)
    plain = LmtpProtocol if surroundings.rules.lmtp else SmtpProtocol
    return lambda: plain(surroundings, loop=loop)
