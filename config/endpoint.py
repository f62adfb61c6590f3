"""Endpoint: where somebody asks to listen."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    An address to listen on: `127.0.0.1:1025`, `[::]:25`, `localhost:0`, `unix:/path`.

    Either `host` and `port` hold (port 0 to 65535, 0 = any free port), or `path` holds.
    """

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_unix(self) -> bool:
        """Whether this is a Unix domain socket."""
        return bool(self.path)

    @property
    def is_wildcard(self) -> bool:
        """Whether this is every address of a family: 0.0.0.0 or ::."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read an endpoint as users write it.

        Raises `ValueError` with a sentence that says what is wrong and what the forms are.
        """
        if text.startswith("unix:"):
            if not text.removeprefix("unix:"):
                raise ValueError(f"{text!r} names no path; write unix:/path/to/socket")
            return cls(path=text.removeprefix("unix:"))
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"{text!r}: write an IPv6 address in brackets, as in [::1]:1025")
        if not colon or not host:
            raise ValueError(f"{text!r} is not HOST:PORT, [IPV6]:PORT or unix:/path")
        if not (port.isascii() and port.isdigit() and int(port) <= 65535):
            raise ValueError(f"{text!r}: the port must be a number from 0 to 65535")
        return cls(host=host, port=int(port))

    def with_port(self, port: int) -> Self:
        """Give the same endpoint at another port."""
        return type(self)(host=self.host, port=port)

    def reachable(self) -> Self:
        """Give where clients of this machine connect: loopback in place of a wildcard address."""
        if not self.is_wildcard:
            return self
        return type(self)("::1" if ":" in self.host else "127.0.0.1", self.port)

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
