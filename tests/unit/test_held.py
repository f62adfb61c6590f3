"""What a walk means when the listener is bound already."""

from __future__ import annotations

import pytest

from bindpost.config.endpoint import Endpoint
from bindpost.proxy.held import as_held
from bindpost.proxy.provider import Hop

HERE = Endpoint("127.0.0.1", 2525)
RESOLVED = Hop("resolve", "localhost", True, "127.0.0.1, ::1")


def taken(target: str) -> Hop:
    """Give a hop that found a port taken."""
    return Hop("bind", target, False, "something listens there", 1.5, code=10048, hint="stop it")


@pytest.mark.parametrize(
    "target", ["127.0.0.1:2525", "0.0.0.0:2525", "unix:/run/smtp", "smtp (descriptor 3)"]
)
def test_its_own_port_is_held(target: str) -> None:
    """What was asked for, where it is bound, and a descriptor are its own; no code is left."""
    addresses = [HERE, Endpoint(path="/run/smtp")]
    held, bound = as_held([taken(target)], Endpoint("0.0.0.0", 2525), addresses)

    assert held == Hop("bind", target, True, "held by this listener", 1.5)
    assert (bound.name, bound.ok) == ("bound", True)
    assert bound.target == "127.0.0.1:2525, unix:/run/smtp"


def test_another_address_is_somebody_elses() -> None:
    """A name that stands for one address more now, on which somebody listens: that is told."""
    hops = as_held([RESOLVED, taken("[::1]:2525")], Endpoint("localhost", 2525), [HERE])

    assert hops[:2] == [RESOLVED, taken("[::1]:2525")]


def test_other_faults_stay() -> None:
    """A proxy that is gone is a fault of the path, bound or not."""
    gone = Hop("connect", "proxy:1080", False, "refused", code=10050, hint="start it")

    assert as_held([gone], HERE, [HERE])[0] is gone


def test_the_forecast_goes() -> None:
    """What a start would do is no news of a listener that is bound."""
    hops = as_held([Hop("serve", str(HERE), None, "would log event 4007")], HERE, [HERE])

    assert [hop.name for hop in hops] == ["bound"]


@pytest.mark.parametrize(("target", "ok"), [(str(HERE), True), ("127.0.0.9:2525", None)])
def test_what_comes_behind_is_reached(target: str, ok: bool | None) -> None:
    """The PROXY protocol's hop is reached behind a port of its own, not behind another's."""
    header = Hop("header", "PROXY protocol", None, "must come first")

    assert as_held([taken(target), header], HERE, [HERE])[1].ok is ok
