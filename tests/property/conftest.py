"""Loads what Hypothesis would load late."""

from hypothesis import strategies

# CPython 3.11.2 fails to compile a module deep inside a call stack (SystemError: "AST constructor
# recursion depth mismatch"); Hypothesis imports its regex strategy when it is first drawn from.
strategies.from_regex("a").validate()
