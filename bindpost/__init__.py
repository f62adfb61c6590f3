"""A test mail listener that mirrors Exchange 5.5's, and can be bound through a proxy."""

__version__ = "0.1.0"
