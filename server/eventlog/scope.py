"""Which app an event belongs to, where several live in one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_SCOPE: Final = ContextVar("bindpost_scope", default="")


def current_scope() -> str:
    """Give the name of the app that runs here, empty outside of any."""
    return _SCOPE.get()


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Let all that runs inside, and the tasks and callbacks that it starts, belong to an app."""
    token = _SCOPE.set(name)
    try:
        yield
    finally:
        _SCOPE.reset(token)
