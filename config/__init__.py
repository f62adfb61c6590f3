"""Settings: the only reader of environment and files."""
