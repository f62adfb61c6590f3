"""Webhooks read from the settings: what is refused, where they may lead, what they are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bindpost.cli import main
from bindpost.config.model import Webhook
from bindpost.errors import ConfigError
from bindpost.server.message.headers import HeaderFields
from bindpost.server.message.model import Envelope, Recipient, SessionFacts, new_id, utc_now
from bindpost.server.outgoing.places import read_networks
from bindpost.server.store.store import MessageRow
from bindpost.server.webhook.hook import Hook
from bindpost.server.webhook.target import Target


def load(folder: Path = Path(), **keys: Any) -> Hook:
    """Give a webhook with these keys."""
    table = Webhook(**{"name": "ci", "url": "http://127.0.0.1:9/x"} | keys)
    return Hook.load_all([table], folder=folder)[0]


def row(to: tuple[str, ...] = ("b@x",), sender: str = "a@x", subject: str = "Hi") -> MessageRow:
    """Give a message."""
    return MessageRow(
        cursor=1,
        id=new_id(),
        received=utc_now(),
        size=1,
        read=False,
        envelope=Envelope(sender, tuple(map(Recipient, to))),
        session=SessionFacts(new_id(), utc_now(), "127.0.0.1:1025", "direct:", "plain"),
        fields=HeaderFields(subject=subject),
    )


@pytest.mark.parametrize(
    ("keys", "key", "reason"),
    [
        ({"name": ""}, "name", "is no name"),
        ({"name": "a b"}, "name", "is no name"),
        ({"url": ""}, "url", "is no URL"),
        ({"url": "ftp://x/"}, "url", "is no URL"),
        ({"url": "http://:80/"}, "url", "is no URL"),
        ({"url": "http://x:99999/"}, "url", "is no URL"),
        ({"url": "http://x:0/"}, "url", "is no URL"),
        ({"url": "http://x y/"}, "url", "is no URL"),
        ({"url": "http://[::1/"}, "url", "is no URL"),
        ({"url": "http://me:pw@x/"}, "url", "has a name or password"),
        ({"url": "http://x/#top"}, "url", "fragment"),
        ({"url": "http://x/ü"}, "url", "ASCII"),
        ({"events": ()}, "events", "is empty"),
        ({"events": ("received",)}, "events", "message.received"),
        ({"events": ("message.deleted",), "subject": "x"}, "events", "only"),
        ({"networks": ("10.0.0.0/33",)}, "networks", "no network"),
        ({"secret": "whsec_!"}, "secret", "base64"),
        ({"secret_file": "none"}, "secret_file", "No such file"),
        ({"secret": "x", "secret_file": "y"}, "secret", "secret_file too"),
        ({"url": "https://x/", "ca_file": "none"}, "ca_file", "none"),
    ],
)
def test_bad_settings(tmp_path: Path, keys: dict[str, Any], key: str, reason: str) -> None:
    """Each is told by its key, with what is wrong."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, **keys)

    assert caught.value.key == f"webhook[0].{key}"
    assert reason in str(caught.value)


def test_two_of_a_name_are_refused() -> None:
    """They would share a queue."""
    table = Webhook(name="ci", url="http://localhost/")

    with pytest.raises(ConfigError) as caught:
        Hook.load_all([table, table], folder=Path())

    assert caught.value.key == "webhook[1].name"


def test_a_secret_is_read_from_a_file_and_never_shown(tmp_path: Path) -> None:
    """The line end behind it doesn't count."""
    (tmp_path / "secret").write_text("correct horse\n")

    hook = load(tmp_path, secret_file="secret")

    assert hook.key == b"correct horse"
    assert "horse" not in repr(hook)


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({}, True),
        ({"recipients": ("*@X",)}, True),
        ({"recipients": ("z@*", "B@x")}, True),
        ({"recipients": ("*@y",)}, False),
        ({"senders": ("a@*",)}, True),
        ({"senders": ("b@x",)}, False),
        ({"subject": "HI"}, True),
        ({"subject": "no"}, False),
        ({"recipients": ("b@x",), "senders": ("no",)}, False),
        ({"events": ("message.deleted",)}, False),
    ],
)
def test_filters(keys: dict[str, Any], *, wanted: bool) -> None:
    """All that are set must hold; case is ignored."""
    assert load(**keys).wants(row()) is wanted


@pytest.mark.parametrize(
    ("host", "address", "allowed"),
    [
        ("hooks.example.com", "93.184.215.14", True),
        ("hooks.example.com", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("hooks.example.com", "127.0.0.1", False),
        ("hooks.example.com", "::1", False),
        ("hooks.example.com", "::ffff:127.0.0.1", False),
        ("hooks.example.com", "169.254.169.254", False),
        ("hooks.example.com", "::ffff:169.254.169.254", False),
        ("hooks.example.com", "192.168.1.5", False),
        ("hooks.example.com", "10.1.2.3", False),
        ("hooks.example.com", "fe80::1", False),
        ("hooks.example.com", "fd00::1", False),
        ("hooks.example.com", "0.0.0.0", False),
        ("hooks.example.com", "::", False),
        ("hooks.example.com", "224.0.0.1", False),
        ("hooks.example.com", "100.64.0.1", False),
        ("localhost", "127.0.0.1", True),
        ("localhost.", "::1", True),
        ("app.localhost", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost", "10.1.2.3", False),
        ("localhost.example.com", "127.0.0.1", False),
        ("10.1.2.3", "10.1.2.3", False),
    ],
)
def test_where_a_request_may_go(host: str, address: str, *, allowed: bool) -> None:
    """Public addresses; loopback only if the URL says so; nothing else unless it is named."""
    assert Target.parse(f"http://{host}/").allows(address) is allowed


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "127.0.0.1"])
def test_networks_allow_more(address: str) -> None:
    """What `networks` names may be asked, however it is written."""
    networks = read_networks(["10.0.0.0/8", "fd00::/8", "127.0.0.1"])

    assert Target.parse("http://hooks.example.com/", networks=networks).allows(address)


def test_the_path_is_not_shown() -> None:
    """For many services it is the secret."""
    target = Target.parse("https://hooks.example.com:8443/T00/secret?token=x")

    assert str(target) == "https://hooks.example.com:8443"
    assert target.path == "/T00/secret?token=x"
    assert Target.parse("http://[::1]:80").authority == "[::1]"


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('[[webhook]]\nname = "ci"\nurl = "mailto:x"\n', "webhook[0].url"),
        ('[pop3]\nendpoint = "127.0.0.1:0"\nusers = "none"\n', "pop3.users"),
        ('[relay]\nserver = "none"\n', "relay.server"),
        ('[link_check]\nnetworks = ["none"]\n', "link_check.networks"),
        ('fault_presets = "none"\n', "fault_presets"),
        ('[lab]\nscenarios = "none"\n', "lab.scenarios"),
        ('[web_access]\nusers = "none"\n', "web_access.users"),
    ],
)
def test_check_finds_what_serve_would_refuse(tmp_path: Path, table: str, key: str) -> None:
    """`bindpost check` reads these tables as a start would."""
    settings = tmp_path / "bindpost.toml"
    settings.write_text(table)

    result = CliRunner().invoke(main, ["check", "--config", str(settings)])

    assert result.exit_code == 78
    assert key in result.output
