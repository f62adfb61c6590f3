"""URLs as they are shown."""

from __future__ import annotations

import pytest

from bindpost.config.redact import redact


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("direct:", "direct:"),
        ("socks5://10.0.0.1:1080", "socks5://10.0.0.1:1080"),
        ("socks5://me@10.0.0.1", "socks5://me@10.0.0.1"),
        ("socks5://me:pw@10.0.0.1", "socks5://me:***@10.0.0.1"),
        ("socks5://me:p@ss:/w@10.0.0.1", "socks5://me:***@10.0.0.1"),
        ("socks5:me:pw@10.0.0.1", "socks5:***@10.0.0.1"),
        ("me:pw@10.0.0.1", "me:***@10.0.0.1"),
        ("socks5://:pw@10.0.0.1", "socks5://:***@10.0.0.1"),
    ],
)
def test_passwords_are_hidden(url: str, shown: str) -> None:
    """No part of a password is shown, however the URL is written."""
    assert redact(url) == shown
