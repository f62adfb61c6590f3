"""Messages: the value that is kept, and what can be read out of its bytes."""
