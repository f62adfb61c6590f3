"""Transaction: what MAIL and RCPT have told, until the message has come or is given up."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..message.model import Envelope, Recipient
from .grammar import Parameters


@dataclass(slots=True)
class Transaction:
    """A mail transaction between MAIL and the end of data or RSET (RFC 5321, 3.3)."""

    reverse_path: str
    parameters: Parameters
    recipients: list[Recipient] = field(default_factory=list)
    octets: int = 0
    """What the recipients and their parameters were said in."""
    is_chunked: bool = False
    """Whether its message comes by BDAT (RFC 3030)."""
    has_failed: bool = False
    """Whether nothing can come of it any more: DATA and BDAT were mixed, or it is too large."""

    def envelope(self) -> Envelope:
        """Give the envelope as it is kept."""
        return Envelope(
            reverse_path=self.reverse_path,
            recipients=tuple(self.recipients),
            parameters=self.parameters,
        )
