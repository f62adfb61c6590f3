"""The JSON objects of the listeners: where each is in its life, and its bind path walked."""

from __future__ import annotations

import msgspec

from bindpost.proxy.provider import Hop, ListenerState

from .responses import Moment


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """
    Why a listener could not be bound, or was lost.

    `name` is the Winsock name of `code`, `sentence` what event 4007 says with it.
    """

    when: Moment
    code: int
    name: str
    hop: str
    reason: str
    hint: str
    sentence: str


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """
    A `[[listener]]`; docs/api.md tells each key.

    `number` is its place in the settings, from 0, and `via` has its credentials redacted.
    """

    number: int
    endpoint: str
    via: str
    personality: str
    protocol: str
    tls: str
    proxy_protocol: bool
    state: ListenerState
    since: Moment
    addresses: list[str]
    capacity: int | None
    sessions: int
    attempts: int
    retry_in: float | None
    last_error: Trouble | None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Where a bind goes, by which rule, and the article or section that the rule comes from."""

    direction: str
    rule: str
    source: str


class Path(Listener, frozen=True, kw_only=True):
    """
    A listener with its bind path as it was walked just now.

    `code` is what event 4007 would carry if it were bound now, null for none.
    """

    decision: Decision | None
    hops: list[Hop]
    code: int | None
    sentence: str


class Listeners(msgspec.Struct, frozen=True):
    """All listeners, in the order of the settings."""

    listeners: list[Listener]


class Paths(msgspec.Struct, frozen=True):
    """All listeners with their paths."""

    paths: list[Path]
