"""What shared statements, beside those of `sql_rows`, need to know of the database they go to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from .sql_rows import Found, Rows


class SqlSession(Protocol):
    """A connection for writing, in a transaction; statements have `?` for parameters."""

    @property
    def among(self) -> str:
        """Stands behind a column that shall have one of the values that `several` were given."""
        ...

    @property
    def message(self) -> str:
        """Names the table `message` where it is shadowed; see `sql_places.Scope`."""
        ...

    @property
    def every_message(self) -> str:
        """Names the messages of the whole inbox, and their read flags, within a scope."""
        ...

    def several(self, values: Sequence[int] | Sequence[str]) -> object:
        """Make one parameter of several values. A text with NUL may find what it is not."""
        ...

    def execute(self, sql: str, parameters: Sequence[object] = ..., /) -> Found:
        """Execute a statement. Raises what the database raises."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Send the statements of the block in one round trip; their answers aren't read in it."""
        ...

    def new_rows(self, table: str, *columns: str, otherwise: str = "") -> Rows:
        """Give rows for a table, to be collected and then written."""
        ...
