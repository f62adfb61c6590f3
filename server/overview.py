"""What the web side tells of the listeners: their states, their paths walked, one bound again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final, final

import msgspec

from bindpost import events
from bindpost.config import services
from bindpost.config.endpoint import Endpoint
from bindpost.errors import BindpostError, ServiceUnknownError
from bindpost.proxy.held import as_held
from bindpost.proxy.provider import Hop, ListenerState, decision_of
from bindpost.proxy.wsa import name_of

from .listeners import Listeners
from .listening import ListeningPost, Mishap
from .shared import Shared
from .web.listener_objects import Decision, Listener, Path, Trouble

WALK_LIMIT: Final = 30.0
"""Seconds that a walk along one path may take; a silent SOCKS proxy takes half of them."""
REBIND_LIMIT: Final = 30.0
"""Seconds that an answer waits for an attempt to bind; the attempt itself goes on."""

_GIVEN_UP: Final = "walk"
"""The only hop of a walk that took longer."""


@final
class Overview:
    """
    The listeners as the web side sees them.

    Paths are walked only when somebody asks, and each by one walk at a time; whoever asks meanwhile
    gets what that one finds. `close()` ends what is under way.

    Implements `bindpost.server.web.listening.Listens`.
    """

    def __init__(self, listeners: Listeners, *, walk_limit: float = WALK_LIMIT) -> None:
        self._listeners = listeners
        self._walk_limit = walk_limit
        self._walks = Shared(self._walk)
        self._rebinds = Shared(ListeningPost.rebind)

    async def close(self) -> None:
        """Cancel walks and attempts that somebody asked for."""
        await self._walks.close()
        await self._rebinds.close()

    def listeners(self) -> list[Listener]:
        """Give every listener as it is now."""
        return describe(self._listeners.posts)

    async def paths(self) -> list[Path]:
        """Walk every path, all at the same time."""
        posts = tuple(self._listeners.posts)
        walks = await asyncio.gather(*(self._walks(post) for post in posts))
        return [
            _describe_path(_describe(number, post), decision, hops)
            for number, (post, (decision, hops)) in enumerate(zip(posts, walks, strict=True))
        ]

    async def rebind(self, number: int) -> Listener:
        """Try to bind a listener at once. Raises `IndexError` and `ValueError`."""
        post = self._listeners.posts[number]
        post.refuse_rebind()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REBIND_LIMIT):
                await self._rebinds(post)
        return _describe(number, post)

    async def _walk(self, post: ListeningPost) -> tuple[Decision | None, list[Hop]]:
        """Walk one path to its end, or for as long as a walk may take."""
        if post.state is ListenerState.CLOSED:
            return None, []
        try:
            asked = await _asked(post)
        except ServiceUnknownError as error:
            named = post.settings.endpoint
            return None, [
                Hop(error.hop, named, False, error.detail, code=error.code, hint=error.hint)
            ]
        try:
            async with asyncio.timeout(self._walk_limit):
                path = await decision_of(post.provider, asked)
                hops = await post.provider.diagnose(asked)
        except TimeoutError:
            detail = f"the walk had not ended after {self._walk_limit:g} s"
            return None, [Hop(_GIVEN_UP, str(asked), None, detail)]
        except BindpostError as error:
            return None, [Hop("settings", str(asked), False, str(error))]
        if post.is_bound:
            hops = as_held(hops, asked, post.addresses)
        if path is None:
            return None, hops
        return Decision(direction=path.direction, rule=path.rule, source=path.source), hops


def describe(posts: Sequence[ListeningPost]) -> list[Listener]:
    """Give listeners as they are now."""
    return [_describe(number, post) for number, post in enumerate(posts)]


async def _asked(post: ListeningPost) -> Endpoint:
    """
    Give the endpoint to walk to: that of the settings, any free port being the one it got.

    Raises `ServiceUnknownError`.
    """
    endpoint = await services.find(post.settings.endpoint)
    if endpoint.is_unix or endpoint.port or not post.is_bound:
        return endpoint
    return endpoint.with_port(post.addresses[0].port)


def _describe(number: int, post: ListeningPost) -> Listener:
    return Listener(
        number=number,
        endpoint=post.settings.endpoint,
        via=post.provider.url,
        personality=post.personality,
        protocol=post.settings.protocol,
        tls=post.settings.tls,
        proxy_protocol=post.settings.proxy_protocol,
        state=post.state,
        since=post.since,
        addresses=[str(address) for address in post.addresses],
        capacity=post.capacity,
        sessions=post.sessions,
        attempts=post.attempts,
        retry_in=None if post.retry_in is None else round(post.retry_in, 3),
        last_error=None if post.mishap is None else _trouble(post.mishap),
    )


def _trouble(mishap: Mishap) -> Trouble:
    error = mishap.error
    return Trouble(
        when=mishap.when,
        code=error.code,
        name=name_of(error.code),
        hop=error.hop,
        reason=error.detail,
        hint=error.hint,
        sentence=_sentence(error.hop, error.code),
    )


def _describe_path(listener: Listener, decision: Decision | None, hops: Sequence[Hop]) -> Path:
    code = next((hop.code for hop in hops if hop.ok is False), None)
    return Path(
        **msgspec.structs.asdict(listener),
        decision=decision,
        hops=list(hops),
        code=code,
        sentence=_foresee(listener, hops, code),
    )


def _foresee(listener: Listener, hops: Sequence[Hop], code: int | None) -> str:
    """Say what the walk means."""
    if listener.state is ListenerState.CLOSED:
        return "It is closed, and its path was not walked."
    is_bound = listener.state in (ListenerState.LISTENING, ListenerState.BUSY)
    begin = f"It is bound at {', '.join(listener.addresses)}" if is_bound else "It is not bound"
    if code is not None:
        hop = next(hop.name for hop in hops if hop.ok is False)
        event = events.bind_failure(hop).id
        return f"{begin}; a bind now would log event {event}: {_sentence(hop, code)}."
    if any(hop.ok is False for hop in hops):
        return f"{begin}; a bind now would fail."
    if any(hop.name == _GIVEN_UP for hop in hops):
        return f"{begin}; the walk along its path took too long and was given up."
    if is_bound:
        return f"{begin}, and its path is in order."
    return f"{begin}; a bind now would work, as far as can be told."


def _sentence(hop: str, code: int) -> str:
    return events.bind_failure(hop).sentence({"wsa_error": code})
