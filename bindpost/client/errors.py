"""What the client raises besides `ServerUnreachableError`: each is one kind of no of the server."""

from __future__ import annotations

from ..errors import BindpostError


class MessageNotFoundError(BindpostError):
    """The server has no message of this id."""


class ReleaseRefusedError(BindpostError):
    """The server would not release a message: its relay is off, or the addresses are not right."""


class ImportRefusedError(BindpostError):
    """The server would not import a message: it is empty or too large, or an address is none."""


class WaitRefusedError(BindpostError):
    """The server can't wait for this: a pattern is none of RE2's, a header field is not one."""


class ListenerBoundError(BindpostError):
    """The server has nothing to bind again: no such listener, or it is bound."""


class ScenarioRefusedError(BindpostError):
    """The server runs or stops no such scenario: it may not, it can't, or there is none."""
