"""What is worked out once for a listener is right for each of its sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from bindpost.server.smtp.engine import FastSmtp
from bindpost.server.smtp.prepared import prepare


class Handler:
    """A handler with a hook and a mechanism of its own."""

    async def handle_NOOP(self, *_: object) -> str:
        """Answer."""
        return "250 from the handler"

    async def auth_TOKEN(self, _server: SMTP, _args: list[str]) -> AuthResult:
        """Judge."""
        return AuthResult(success=False)


@pytest.fixture
def template() -> SMTP:
    """Give a session that was made in aiosmtpd's way."""
    return SMTP(
        Handler(), hostname="mx.test", loop=asyncio.new_event_loop(), auth_require_tls=False
    )


@pytest.fixture
def sessions(template: SMTP) -> Iterator[list[Any]]:
    """Give two sessions of a prepared class."""
    make: Any = prepare(FastSmtp, template, command_size_limits={})
    sessions = [make(), make()]
    yield sessions
    template.loop.close()


def test_methods_are_the_sessions_own(sessions: list[Any]) -> None:
    """Commands and aiosmtpd's mechanisms are bound to the session, never to the template."""
    for session in sessions:
        assert {method.__self__ for method in session._smtp_methods.values()} == {session}
        assert session._auth_methods["LOGIN"].method.__self__ is session
        assert session._auth_methods["PLAIN"].method.__self__ is session


def test_all_else_is_the_templates(template: SMTP, sessions: list[Any]) -> None:
    """The same commands, mechanisms, hooks and settings are there."""
    for session in sessions:
        assert set(session._smtp_methods) == set(template._smtp_methods)
        assert set(session._auth_methods) == set(template._auth_methods) >= {"TOKEN"}
        assert session._auth_methods["TOKEN"] == template._auth_methods["TOKEN"]
        assert session._handle_hooks is template._handle_hooks
        assert (session.hostname, session._auth_require_tls) == ("mx.test", False)


def test_a_session_begins_with_nothing_of_its_own(sessions: list[Any]) -> None:
    """Nothing is worked out, and nothing kept, for a session that has not begun."""
    assert [vars(session) for session in sessions] == [{}, {}]
