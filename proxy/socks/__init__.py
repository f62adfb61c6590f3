"""SOCKS 4, 4a and 5: ports that a proxy binds for us (BIND), one connection at a time."""
