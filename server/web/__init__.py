"""The HTTP side: Mailpit-compatible API, our own API, health."""
