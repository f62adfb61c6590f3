"""TLS between a protocol and the transport that a bind path gives it."""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from typing import cast


def inside_tls(
    protocol: asyncio.BaseProtocol,
    context: ssl.SSLContext | None,
    *,
    shutdown: float | None = None,
) -> asyncio.BaseProtocol:
    """
    Give the protocol for a transport of ours: one that shakes hands first, if there is a context.

    `shutdown` is how long the peer may take to answer the end of TLS, in seconds; None is asyncio's
    own limit. This is asyncio's TLS protocol, which is Python and takes any transport; uvloop's
    takes its own only, and TLS by `connect_accepted_socket` would sit below our transport.
    """
    if context is None:
        return protocol
    return SSLProtocol(
        asyncio.get_running_loop(),
        cast("asyncio.Protocol", protocol),
        context,
        None,  # type: ignore[arg-type]  # nobody waits for the handshake; None is allowed
        server_side=True,
        ssl_shutdown_timeout=shutdown,
    )
