"""Has Hypothesis load early what it would load late."""

import pytest
from hypothesis import strategies


@pytest.fixture(autouse=True, scope="session")
def regex_strategy() -> None:
    """
    Import the regex strategy before any test draws from it.

    CPython 3.11.2 fails to compile a module from deep inside a call stack (SystemError: "AST
    constructor recursion depth mismatch").
    """
    strategies.from_regex("a").validate()
