"""Handshakes: how TLS is begun with a client over any transport, and why that failed."""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from typing import Any, Final, NamedTuple

_PIECE: Final = 32 * 1024
"""Bytes that a layer of TLS takes at once."""


def begin_handshake(
    transport: asyncio.Transport,
    protocol: asyncio.BaseProtocol,
    context: ssl.SSLContext,
    *,
    seconds: float,
    came: bytes = b"",
) -> asyncio.Future[None]:
    """
    Put TLS between a transport and its protocol; gives what is done when the handshake is over.

    From now on the protocol hears nothing that comes in clear. It is told `connection_made` once
    more, with the transport that is inside TLS, and before all that comes inside; it is not if the
    connection was closed here meanwhile. After `seconds` the connection is closed. What is given
    raises `OSError`. `came` is what the client has said already to begin with TLS.

    Not `loop.start_tls`: by that the protocol would hear what comes inside before it is told where
    it is, and uvloop's knows its own transports only, while a proxy's is another.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    layer = _layer_for(transport)(
        loop, protocol, context, done, server_side=True, ssl_handshake_timeout=seconds
    )
    transport.set_protocol(layer)
    layer.connection_made(transport)
    for start in range(0, len(came), _PIECE):
        piece = came[start : start + _PIECE]
        layer.get_buffer(len(piece))[: len(piece)] = piece
        layer.buffer_updated(len(piece))
    return done


class _Layer(SSLProtocol):
    """asyncio's TLS with a buffer for two of its records, not for sixteen: each session has one."""

    max_size = _PIECE


def _layer_for(transport: asyncio.BaseTransport) -> Callable[..., Any]:
    """Give what does TLS: uvloop's own is quicker, but sits on uvloop's transports only."""
    if type(transport).__module__ != "uvloop.loop":
        return _Layer
    from uvloop import loop as uvloop_loop

    layer: Callable[..., Any] = uvloop_loop.SSLProtocol  # type: ignore[attr-defined]  # no stub
    return layer


class ClosedHereError(ConnectionAbortedError):
    """The connection was closed here during the handshake."""


class Why(NamedTuple):
    """Why a handshake failed, and what to do about it."""

    reason: str
    hint: str


_NO_TLS: Final = Why(
    "what the client sent is no TLS",
    "let it speak TLS from the first byte where the listener does (implicit TLS), and after "
    "STARTTLS only where that is offered",
)
_OLD: Final = Why(
    "client and server have no version of TLS in common",
    "update the client: OpenSSL here speaks TLS 1.2 and 1.3, unless its own settings say otherwise",
)
_DISTRUSTED: Final = Why(
    "the client does not trust the certificate of the server",
    "let the client trust it, or set tls.certificate to one that it trusts; a self-signed one is "
    "made anew at each start",
)
_OPENSSL: Final = {
    "HTTP_REQUEST": Why(
        "the client spoke HTTP",
        "this port takes mail by TLS; the pages are at the address that `web` sets",
    ),
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "UNEXPECTED_MESSAGE": _NO_TLS,
    "UNSUPPORTED_PROTOCOL": _OLD,
    "UNKNOWN_PROTOCOL": _OLD,
    "NO_PROTOCOLS_AVAILABLE": _OLD,
    "VERSION_TOO_LOW": _OLD,
    "TLSV1_ALERT_PROTOCOL_VERSION": _OLD,
    "NO_SHARED_CIPHER": Why(
        "client and server have no cipher in common",
        "allow the client one that suits the kind of key in tls.certificate (ECDSA or RSA)",
    ),
    "TLSV1_ALERT_UNKNOWN_CA": _DISTRUSTED,
    "SSLV3_ALERT_BAD_CERTIFICATE": _DISTRUSTED,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": _DISTRUSTED,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": _DISTRUSTED,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": Why(
        "the client showed no certificate",
        "give it one of an authority in tls.client_ca, or set client_certificates = optional",
    ),
    "CERTIFICATE_VERIFY_FAILED": Why(
        "the certificate of the client is of no authority in tls.client_ca, or has expired",
        "give the client another one, or name its authority in tls.client_ca",
    ),
}
_OTHER: Final = Why(
    "client and server did not come to terms",
    "see the error; `openssl s_client` shows a handshake step by step",
)
_TOO_LONG: Final = Why(
    "the client did not finish the handshake in time",
    "look whether it waits for a greeting in clear; limits.handshake_timeout is the time it has",
)
_WENT_AWAY: Final = Why(
    "the client went away during the handshake",
    "look at the client's own log: it may distrust the certificate, or only look for open ports",
)
_CLOSED: Final = Why("the service ended the connection", "nothing to do")


def explain(error: BaseException | None) -> Why:
    """Tell why a handshake failed of this error; the words do not depend on who the client is."""
    match error:
        case ssl.SSLEOFError():
            return _WENT_AWAY
        case ssl.SSLError():
            return _OPENSSL.get(error.reason or "", _OTHER)
        case ClosedHereError():
            return _CLOSED
        case ConnectionAbortedError():
            return _TOO_LONG
        case ConnectionError():
            return _WENT_AWAY
    return _OTHER
