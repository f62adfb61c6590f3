"""As much of pytest-mock as aiosmtpd's own tests use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest


class MockFixture:
    """Patches and spies, taken back when the fixture ends."""

    Mock = mock.Mock

    def __init__(self) -> None:
        self._undo: list[Callable[[], Any]] = []

    def patch(self, target: str, *arguments: Any, **options: Any) -> Any:
        """Put something else in the place of what is named."""
        return self._start(mock.patch(target, *arguments, **options))

    def spy(self, thing: object, name: str) -> Any:
        """Let a method be as it is, and note its calls."""
        return self._start(mock.patch.object(thing, name, side_effect=getattr(thing, name)))

    def stop(self) -> None:
        """Take everything back."""
        while self._undo:
            self._undo.pop()()

    def _start(self, patch: Any) -> Any:
        started = patch.start()
        self._undo.append(patch.stop)
        return started


def _mocker() -> Iterator[MockFixture]:
    fixture = MockFixture()
    yield fixture
    fixture.stop()


mocker = pytest.fixture(_mocker)
session_mocker = pytest.fixture(scope="session")(_mocker)
