"""Where the inbox is: the setting `store`, and what is loaded for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bindpost.config.store import check_store
from bindpost.errors import ConfigError
from bindpost.server.store import open_store

LOADED = "import sys, bindpost.server.app; print('psycopg' in sys.modules)"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bindpost@db.example/mail",
        "postgres://bindpost:p%40ss@db.example:5433/mail?sslmode=verify-full",
        "postgresql://[2001:db8::1]/mail",
        "postgresql:///mail?host=/run/postgresql",
        "postgresql://me:a?b#c@db1.example:5432,db2.example/mail?application_name=a@b",
        "postgresql://db/mail?application_name=a@b",
    ],
)
def test_urls_of_postgresql_are_stores(url: str) -> None:
    """What libpq takes as a URL is taken."""
    check_store(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://me:geheim@db/mail", "is no store"),
        ("/var/mail", "is no store"),
        ("postgresql:mail", "is no store"),
        ("postgresql://db/mail?password=geheim", "password can't be given"),
        ("postgresql://db/mail?sslpassword=geheim", "sslpassword can't be given"),
        ("postgresql://[db/mail", "can't be read"),
        ("postgresql://me:ge@geheim@db/mail", "%40"),
        ("postgresql://me:ge/geheim@db/mail", "%2F"),
    ],
)
def test_anything_else_is_none(url: str, problem: str) -> None:
    """What is no URL of PostgreSQL is refused, and so is a password that would be shown."""
    with pytest.raises(ValueError, match=problem) as raised:
        check_store(url)

    assert "geheim" not in str(raised.value)


async def test_the_extra_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg the error says what to install."""
    monkeypatch.setitem(sys.modules, "bindpost.server.store.postgres", None)

    with pytest.raises(ConfigError, match=r"bindpost\[postgres\]"):
        await open_store("postgresql://localhost/mail")


def test_psycopg_is_loaded_only_when_asked_for() -> None:
    """A server whose inbox is elsewhere doesn't load it."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stdout == "False\n"
