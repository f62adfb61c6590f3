"""The indexer: makes the search index in a process of its own, behind the way of a message."""
