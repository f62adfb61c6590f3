"""A bind that fails on purpose: event 4007 with any code, and a reason that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from bindpost.errors import BindError
from bindpost.testing.chosen import chosen_settings
from bindpost.testing.inprocess import in_process

FAULT = {"name": "taken", "stage": "bind", "action": "bind-error", "wsa_error": 10048, "count": 1}


def test_the_next_bind_fails_and_the_one_behind_it_does_not(tmp_path: Path) -> None:
    """Event 4007 has the code in its sentence, and beside it the hop that nobody has to mend."""
    settings = chosen_settings(on_bind_failure="retry", settings={"fault": [FAULT]})
    with in_process(settings, folder=tmp_path) as server:
        failed = server.events.wait_for(id=4007)
        server.events.wait_for(id=101)

        assert failed.strings == ("10048",)
        assert failed.message.endswith("listener socket (10048)")
        assert failed.fields["hop"] == "fault"
        assert failed.fields["reason"] == "it fails on purpose, by the fault taken"
        assert server.port


def test_the_service_does_not_start_with_it(tmp_path: Path) -> None:
    """Under `stop`, which IMS did, the start fails as after any bind that fails."""
    settings = chosen_settings(on_bind_failure="stop", settings={"fault": [FAULT]})

    with (
        pytest.raises(BindError, match=r"it fails on purpose, by the fault taken \(10048\)"),
        in_process(settings, folder=tmp_path),
    ):
        pass


def test_it_strikes_the_listener_that_it_names(tmp_path: Path) -> None:
    """Another listener is bound as ever."""
    other = FAULT | {"when": {"listener": "127.0.0.1:1"}}
    settings = chosen_settings(on_bind_failure="stop", settings={"fault": [other]})
    with in_process(settings, folder=tmp_path) as server:
        assert 4007 not in server.events.ids
