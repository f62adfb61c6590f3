"""Facts: what is known of a session when it is asked which fault strikes it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """
    A session at a stage.

    `peer` is the client's address without its port. `recipients` are those of the envelope; at RCPT
    only the one that is asked for. `came` is how many octets of the message have come, `raw` the
    message once it has. `idle` is for how many seconds the client has said nothing. `judged` is
    what conditions found in the message, for those who ask about it more than once.
    """

    listener: str
    peer: str = ""
    helo: str = ""
    login: str = ""
    tls: bool = False
    sender: str | None = None
    recipients: tuple[str, ...] = ()
    came: int = 0
    raw: bytes | None = None
    idle: float = 0.0
    judged: dict[object, bool] = field(default_factory=dict)
