"""Rules: what all conversations of a listener have in common, EHLO's keywords among it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bindpost.config.model import Limits
from bindpost.proxy.haproxy.trusted import TrustedSenders

from .personality import Personality
from .phrases import Phrasebook
from .policy import Policy

MOST_ANNOUNCED: Final = 999_999
"""What LIMITS tells at most: it has six digits for a number (RFC 9422, 4)."""


class Circumstances(NamedTuple):
    """What EHLO's keywords depend on in a session."""

    offers_tls: bool
    tls: bool
    certified: bool
    trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a listener's conversations have in common."""

    personality: Personality
    policy: Policy
    limits: Limits
    hostname: str
    tls_available: bool = False
    users: frozenset[str] | None = None
    """Names that VRFY knows; None = it knows everybody."""
    lmtp: bool = False
    """Whether LMTP is spoken and not SMTP (RFC 2033)."""
    trusted: TrustedSenders | None = None
    """Who may say XCLIENT and XFORWARD; None = nobody."""
    withheld: frozenset[str] = frozenset()
    """Mechanisms of AUTH that the personality has, and this listener can't offer."""
    phrases: Phrasebook = field(init=False, repr=False, compare=False)
    """The replies, with what is the same in all conversations."""
    size_limit: int = field(init=False)
    """The largest message that is taken, in bytes."""
    mechanisms: tuple[str, ...] = field(init=False)
    """The mechanisms of AUTH that there are; EXTERNAL is for clients with a certificate only."""
    keywords: Mapping[Circumstances, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    """EHLO's keyword lines, in all circumstances in which they differ."""

    def __post_init__(self) -> None:
        announced, most = self.policy.ims.inbound_size_limit, self.limits.message_size
        object.__setattr__(self, "size_limit", min(announced or most, most))
        constant = {"hostname": self.hostname, "build": self.build, "limit": self.size_limit}
        phrases = Phrasebook(self.personality, constant)
        object.__setattr__(self, "phrases", phrases)
        has = self.personality.auth_mechanisms
        offered = tuple(name for name in has if name not in self.withheld)
        object.__setattr__(self, "mechanisms", offered)
        keywords = {
            circumstances: self._keywords(circumstances)
            for circumstances in itertools.starmap(
                Circumstances, itertools.product((False, True), repeat=4)
            )
        }
        object.__setattr__(self, "keywords", keywords)

    @property
    def build(self) -> str:
        """The build that the banner tells."""
        return self.policy.ims.build or self.personality.build

    @property
    def auth_offered(self) -> bool:
        """Whether AUTH exists at all."""
        return bool(self.mechanisms) and not self.policy.ims.disable_auth

    def extends(self, keyword: str) -> bool:
        """Tell whether the personality has an extension."""
        return self.personality.offers(keyword)

    def _keywords(self, circumstances: Circumstances) -> tuple[str, ...]:
        """List the personality's keywords, without what is switched off."""
        ims = self.policy.ims
        hidden = set()
        if ims.disable_etrn:
            hidden.add("ETRN")
        if not self.auth_offered:
            hidden |= {"AUTH", "AUTH=LOGIN", "XAUTH"}
        if not circumstances.offers_tls:
            hidden |= {"STARTTLS", "TLS"}
        if not circumstances.tls:
            hidden.add("REQUIRETLS")  # RFC 8689, 2
        if not circumstances.trusted:
            hidden |= {"XCLIENT", "XFORWARD"}
        size = ims.inbound_size_limit
        if self.personality.announces_process_limit:
            size = self.size_limit
        recipients = min(self.limits.recipients, MOST_ANNOUNCED)
        return tuple(
            line.format(size=size, recipients=recipients) if "{" in line else line
            for line in self._listed(certified=circumstances.certified)
            if line.split()[0] not in hidden
        )

    def _listed(self, *, certified: bool) -> Iterator[str]:
        """Give the personality's keyword lines, AUTH's with the mechanisms for such a client."""
        withheld = self.withheld if certified else self.withheld | {"EXTERNAL"}
        for line in self.personality.extensions:
            if line.startswith("AUTH "):
                line = " ".join(word for word in line.split() if word not in withheld)
            if line != "AUTH":
                yield line
