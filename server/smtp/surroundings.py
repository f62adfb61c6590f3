"""Surroundings: what all sessions of a listener stand on."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from ..faults import Faults
from ..faults.bounces import Bounces
from ..store.store import MessageStore
from .accounts import Accounts
from .protocol_log import ProtocolLog
from .reverse import Lookup, reverse_name
from .rules import Rules
from .sessions import Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the sessions of one listener have around them."""

    listener: str
    via: str
    rules: Rules
    store: MessageStore
    sessions: Sessions
    faults: Faults
    bounces: Bounces
    tls_context: ssl.SSLContext | None = None
    tls_first: bool = False
    """Whether TLS begins with the first byte, and not by STARTTLS."""
    accounts: Accounts = field(default_factory=Accounts)
    protocol_log: ProtocolLog | None = None
    lookup: Lookup = reverse_name
    """Gives a client's name from its address, within some seconds."""
    node: str | None = None
    """The name of this node, where several may have the inbox."""
    max_sessions: int = 0
    """IMS's limit of inbound connections; 0 = not limited (KB Q166584)."""
