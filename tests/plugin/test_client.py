"""What the client has beside mail: listeners and their bind paths, of a real server."""

from __future__ import annotations

import pytest

from bindpost.client import Client, ListenerBoundError
from bindpost.testing.mailserver import MailServer

WEB = {"web": "127.0.0.1:0"}


@pytest.fixture
def client(bindpost: MailServer) -> Client:
    """Give a client of the test's server."""
    assert bindpost.web is not None
    return Client(bindpost.web)


@pytest.mark.bindpost(settings=WEB)
def test_a_listener_that_is_bound(bindpost: MailServer, client: Client) -> None:
    """It tells its address, its path is walked, and there is nothing to bind again."""
    (listener,) = client.listeners()
    (path,) = client.paths()

    assert (listener.state, listener.last_error) == ("listening", None)
    assert listener.addresses == (f"{bindpost.host}:{bindpost.port}",)
    assert path.number == listener.number == 0
    assert path.code is None
    assert path.hops[-1].ok
    with pytest.raises(ListenerBoundError, match="nothing to bind again"):
        client.rebind(0)
    with pytest.raises(ListenerBoundError, match="no listener 7"):
        client.rebind(7)


@pytest.mark.bindpost(settings=WEB, via="winsock://127.0.0.1:1", on_bind_failure="continue")
def test_a_listener_that_is_not(client: Client) -> None:
    """It tells what went wrong, the walk finds the hop, and another attempt fails as well."""
    (listener,) = client.listeners()
    (path,) = client.paths()
    again = client.rebind(0)

    assert listener.state == again.state == "failed"
    assert listener.last_error is not None
    assert (listener.last_error.code, listener.last_error.hop) == (10050, "connect")
    assert path.code == 10050
    assert [hop.name for hop in path.hops if hop.ok is False] == ["connect"]
    assert path.decision is not None
