"""Whom mail may go to: the check of the addresses that a release names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..durable.patterns import Patterns
from ..message.model import Recipient
from ..smtp.grammar import domain_of, is_mailbox
from ..store.rules import is_unicode

LONGEST_ADDRESS: Final = 254
"""Octets: RFC 5321, 4.5.3.1.3 allows a path 256, brackets included."""


def is_sendable(address: str) -> bool:
    """
    Say whether an address can be given to a server: a mailbox with a domain, by SMTP's grammar.

    No control character and no line break is one, so nothing can follow it into the command.
    """
    return (
        is_mailbox(address)
        and bool(domain_of(address))
        and is_unicode(address)
        and address.isprintable()
        and len(address.encode()) <= LONGEST_ADDRESS
    )


def check_released(recipients: Sequence[Recipient], allowed: Patterns) -> tuple[Recipient, ...]:
    """
    Give the recipients that a release may go to: all of them, each once.

    Raises `ValueError` with Mailpit's sentences, which its clients may compare.
    """
    chosen: dict[str, Recipient] = {}
    for recipient in recipients:
        chosen.setdefault(recipient.address, recipient)
    for address in chosen:
        if not is_sendable(address):
            raise ValueError(f"Invalid email address: {_shown(address)}")
    refused = [address for address in chosen if allowed and not allowed.match(address)]
    if refused:
        count = f"{len(refused)} {'Address' if len(refused) == 1 else 'Addresses'}"
        raise ValueError(f"Failed: {count} do not match the allowlist: {', '.join(refused)}")
    if not chosen:
        raise ValueError("No valid addresses found")
    return tuple(chosen.values())


def _shown(address: str) -> str:
    """Give an address that is none in a form that is one line."""
    if address.isprintable():
        return address[:LONGEST_ADDRESS]
    return ascii(address[:LONGEST_ADDRESS])
