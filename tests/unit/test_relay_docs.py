"""docs/relay.md: its examples load, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from bindpost.config.load import load
from bindpost.config.model import Relay
from bindpost.events import CATALOGUE, OURS
from bindpost.server.relay import Route

PAGE = (Path(__file__).parents[2] / "docs" / "relay.md").read_text("utf-8")


def test_the_example_is_a_route(tmp_path: Path) -> None:
    """The settings that the page shows can be used as they are."""
    (example,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "bindpost.toml").write_text(example)
    (tmp_path / "relay-password").write_text("s3cret\n")
    settings = load(file=tmp_path / "bindpost.toml", environ={}).settings.relay
    route = Route.load(settings, folder=tmp_path)

    assert route is not None
    assert (str(route.server), route.via) == ("smtp.example.org:587", "socks5://10.0.0.1:1080")


def test_every_setting_is_told() -> None:
    """The page names each key of [relay]."""
    missing = [
        field.name
        for field in msgspec.structs.fields(Relay)
        if f"`{field.name}`" not in PAGE and f"\n{field.name} = " not in PAGE
    ]

    assert missing == []


def test_its_events_are_the_relays() -> None:
    """The numbers of events that the page names are those of the relay."""
    ours = {event.id: event.action for event in CATALOGUE if event.source == OURS}
    named = {int(number) for number in re.findall(r"\b12[0-9]\b", PAGE)}

    assert {ours[number] for number in named} == {
        "relay-sent",
        "relay-delayed",
        "relay-failed",
        "relay-loop",
    }
