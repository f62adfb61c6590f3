"""POP3: a mail client reads the inbox (RFC 1939)."""
