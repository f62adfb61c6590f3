"""How an outage of the store is told: once at its begin, and once when it is over."""

from __future__ import annotations

import pytest

from bindpost import events
from bindpost.log import said
from bindpost.server.smtp.outage import Outage


def test_an_outage_is_told_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """Only its first refusal is told; its end says how long it was and how many there were."""
    caplog.set_level("INFO")
    now = 10.0
    outage = Outage(lambda: now)

    assert [outage.refuse() for _ in range(3)] == [True, False, False]
    now = 12.5
    outage.end()
    outage.end()

    (told,) = (said(record) for record in caplog.records)
    assert told is not None
    assert told.event is events.STORE_BACK
    assert told.fields == {"seconds": 2.5, "refused": 3}
    assert outage.refuse()


def test_without_an_outage_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A message that is kept as always is no news."""
    caplog.set_level("INFO")

    Outage().end()

    assert caplog.records == []
