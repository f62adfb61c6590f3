"""Binding again: 4007 comes once per cause, whatever else the error has to tell by then."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bindpost import events as catalogue
from bindpost.config.model import Listener, Settings
from bindpost.errors import BindError
from bindpost.proxy.direct import DirectProvider
from bindpost.server.listening import ListeningPost
from bindpost.server.smtp.service import Resources
from bindpost.server.smtp.sessions import Sessions
from bindpost.server.store.memory import MemoryStore

if TYPE_CHECKING:
    from tests.wire.conftest import Events


def post_at(endpoint: str) -> ListeningPost:
    """Give a listener that isn't bound yet, at an endpoint of this machine."""
    settings = Listener(endpoint=endpoint)
    return ListeningPost(
        settings,
        DirectProvider(),
        resources=Resources.load(Settings(listener=(settings,)), hostname="x", folder=Path()),
        store=MemoryStore(),
        sessions=Sessions(10),
    )


async def test_a_holder_that_cannot_be_named_any_more_is_no_new_cause(events: Events) -> None:
    """The hint names who holds the port, and can't when that has just stopped to listen."""
    hints = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        name = listening.getsockname()
        post = post_at(f"{name[0]}:{name[1]}")
        with pytest.raises(BindError) as named:
            await post.bind()
        hints.append(named.value.hint)
    with socket.socket() as silent:  # it has the port, but does not listen
        silent.bind(name)
        with pytest.raises(BindError) as unnamed:
            await post.bind()
        hints.append(unnamed.value.hint)
    await post.close()

    assert "(pid " in hints[0]
    assert "(pid " not in hints[1]
    assert len(events.of(catalogue.BIND_FAILED)) == 1
    assert post.mishap is not None
    assert post.mishap.error.hint == hints[1]


async def test_another_cause_is_told(events: Events) -> None:
    """A port that is taken first, and then forbidden or not this machine's, gives 4007 twice."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        name = listening.getsockname()
        post = post_at(f"{name[0]}:{name[1]}")
        with pytest.raises(BindError):
            await post.bind()
    post.settings = Listener(endpoint=f"192.0.2.1:{name[1]}")
    with pytest.raises(BindError):
        await post.bind()
    await post.close()

    assert len(events.of(catalogue.BIND_FAILED)) == 2
