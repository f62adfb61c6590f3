"""
The replies that no single client can bring about, in the words of every personality.

tests/dialogs meets all the others, and holds its list against this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from bindpost.config.model import Ims
from bindpost.errors import StoreError, StoreFullError
from bindpost.server.smtp import personality

if TYPE_CHECKING:
    from tests.wire.conftest import FailingStore, Serve

KNOWN: Final = {"hostname": "exchange", "client": "127.0.0.1"}

pytestmark = [
    pytest.mark.parametrize("name", personality.names()),
    pytest.mark.parametrize("engine", ["fast", "stock"]),
]


def _words(name: str, occasion: str) -> bytes:
    """Give what a personality says then."""
    return personality.load(name).say(occasion, **KNOWN).encode()


async def test_one_session_too_many(serve: Serve, name: str, engine: str) -> None:
    """Beyond IMS's limit of connections a client is turned away (KB Q166584)."""
    bench = await serve(personality=name, engine=engine, ims=Ims(max_inbound_connections=1))
    await bench.greeted()

    late = await bench.connected()

    assert await late.rest() == _words(name, "too_many_connections")


async def test_the_end_of_the_service(serve: Serve, name: str, engine: str) -> None:
    """A session without a transaction is told, and closed (RFC 5321, 3.8)."""
    bench = await serve(personality=name, engine=engine)
    peer = await bench.greeted()

    await bench.sessions.drain(60)

    assert await peer.rest() == _words(name, "shutting_down")


@pytest.mark.parametrize(
    ("failure", "occasion"),
    [(StoreFullError("no room"), "message_full"), (StoreError("broken"), "message_failed")],
    ids=["full", "broken"],
)
async def test_a_message_that_cannot_be_kept(
    serve: Serve,
    failing_store: FailingStore,
    name: str,
    engine: str,
    failure: StoreError,
    occasion: str,
) -> None:
    """The client is told that its message is not kept, and why in broad terms."""
    bench = await serve(personality=name, engine=engine, store=failing_store)
    peer = await bench.greeted()
    for command in ("HELO client", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA"):
        assert (await peer.say(command))[:1] in b"23"
    failing_store.failure = failure

    assert await peer.say("lost\r\n.") == _words(name, occasion)


async def test_an_error_of_ours(
    serve: Serve, failing_store: FailingStore, name: str, engine: str
) -> None:
    """What must not happen ends the session in the personality's words, without any detail."""
    bench = await serve(personality=name, engine=engine, store=failing_store)
    peer = await bench.greeted()
    for command in ("HELO client", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA"):
        assert (await peer.say(command))[:1] in b"23"
    failing_store.failure = ZeroDivisionError("inside")

    peer.send(b"lost\r\n.\r\n")

    assert await peer.rest() == _words(name, "internal_error")
