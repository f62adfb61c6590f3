"""Target: where a webhook's URL leads, and whether a request may go there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlsplit

from ..outgoing import target
from ..outgoing.places import Network, may_be_asked, plain


@dataclass(frozen=True, kw_only=True)
class Target(target.Target):
    """A webhook's target; `networks` are the addresses, beside public ones, it may lead to."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, url: str, *, networks: tuple[Network, ...] = ()) -> Self:
        """Read a URL. Raises `ValueError` with a sentence."""
        found = super().parse(url)
        if "@" in urlsplit(url).netloc:
            raise ValueError("has a name or password in it; the receiver knows us by the signature")
        return replace(found, networks=networks)

    def allows(self, address: str) -> bool:
        """
        Say whether a request may go to an address that the host has.

        Public ones may be, and those of `networks`; those of loopback if the host says so itself:
        `localhost`, `127.0.0.1`.
        """
        if plain(address).is_loopback and self._is_loopback:
            return True
        return may_be_asked(address, self.networks)

    @property
    def _is_loopback(self) -> bool:
        try:
            return plain(self.host).is_loopback
        except ValueError:
            name = self.host.lower().removesuffix(".")
            return name == "localhost" or name.endswith(".localhost")
