"""Datagrams of the Winsock Proxy's control channel: `Packet.dumps` and `Packet.loads`; no I/O."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from . import wire
from .messages import (
    Acknowledgement,
    AddressInUse,
    Authentication,
    Bind,
    BindAck,
    BindInfo,
    BindInfoAck,
    Hello,
    HelloAck,
    Listening,
    Message,
    Refusal,
    SessionEnd,
    TcpBind,
    TcpBindAck,
    Unknown,
)

_BY_COMMAND: Final[Mapping[int, type[Message]]] = {
    message.code: message
    for message in (
        Listening,
        AddressInUse,
        Bind,
        BindAck,
        TcpBind,
        TcpBindAck,
        BindInfo,
        BindInfoAck,
    )
}
_BY_CLASS: Final[Mapping[int, type[Message]]] = {
    0x04: Acknowledgement,
    0x05: Hello,
    0x08: Refusal,
    0x10: HelloAck,
    0x25: SessionEnd,
    0x47: Authentication,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One datagram: the part that all share, and the message."""

    message: Message
    client_id: bytes = wire.FIRST_CLIENT_ID
    """4 opaque bytes at 0, chosen by the client [B] and echoed by the server [I]."""
    server_id: bytes = bytes(4)
    """4 opaque bytes at 8: zero in the first hello, then what the server chose [B]."""
    ack: int = 0
    """Sequence number of the last packet received, u8 at 12 [B]; 3 zero bytes follow [B]."""
    sequence: int = 0
    """Own sequence number, u8 at 16 [B]; 3 zero bytes follow [B]."""
    application: str = ""
    """Name of the program, NUL-padded at 156 [B]; at most 15 characters [I]."""

    def dumps(self) -> bytes:
        """Give the datagram; raises `CodecError` for a value that it has no room for."""
        application = wire.text_bytes(self.application)
        if len(application) >= wire.APPLICATION_LENGTH:
            raise wire.CodecError(f"application name of {len(application)} characters; 15 fit")
        if _kind(self.message.command) is not type(self.message):
            raise wire.CodecError(f"{self.message!r} would be read as another message")
        buffer = bytearray(self.message.size)
        try:
            self.message.write(buffer)
            struct.pack_into("<B", buffer, wire.AT_ACK, self.ack)
            struct.pack_into("<B", buffer, wire.AT_SEQUENCE, self.sequence)
            struct.pack_into(">H", buffer, wire.AT_COMMAND, self.message.command)
        except struct.error as error:
            raise wire.CodecError(f"{type(self.message).__name__}: {error}") from None
        buffer[wire.AT_CLIENT_ID : wire.AT_CLIENT_ID + 4] = wire.four_bytes(self.client_id)
        buffer[wire.AT_VERSION : wire.AT_VERSION + 4] = wire.VERSION
        buffer[wire.AT_SERVER_ID : wire.AT_SERVER_ID + 4] = wire.four_bytes(self.server_id)
        buffer[wire.AT_TAG : wire.AT_TAG + 4] = wire.TAG
        buffer[wire.AT_APPLICATION : wire.AT_APPLICATION + len(application)] = application
        if len(buffer) > wire.MAXIMUM_LENGTH:
            raise wire.CodecError(
                f"datagram of {len(buffer)} bytes; {wire.MAXIMUM_LENGTH} are allowed"
            )
        return bytes(buffer)

    @classmethod
    def loads(cls, data: bytes) -> Self:
        """Read a datagram; raises `CodecError`, and nothing else, for bytes that are none."""
        if not wire.MINIMUM_LENGTH <= len(data) <= wire.MAXIMUM_LENGTH:
            raise wire.CodecError(
                f"{len(data)} bytes; a message has {wire.MINIMUM_LENGTH} to {wire.MAXIMUM_LENGTH}"
            )
        if data[wire.AT_TAG : wire.AT_TAG + 4] != wire.TAG:
            raise wire.CodecError(f"no {wire.TAG.decode()} at byte {wire.AT_TAG}")
        if data[wire.AT_VERSION : wire.AT_VERSION + 4] != wire.VERSION:
            version = data[wire.AT_VERSION : wire.AT_VERSION + 4].hex()
            raise wire.CodecError(
                f"protocol version {version}; Proxy Server 2.0 has {wire.VERSION.hex()}"
            )
        kind = _kind(wire.get_u16(data, wire.AT_COMMAND))
        name, _, _ = data[wire.AT_APPLICATION : wire.AT_APPLICATION + 15].partition(b"\0")
        return cls(
            message=kind.read(data),
            client_id=wire.get_id(data, wire.AT_CLIENT_ID),
            server_id=wire.get_id(data, wire.AT_SERVER_ID),
            ack=data[wire.AT_ACK],
            sequence=data[wire.AT_SEQUENCE],
            application=name.decode("latin-1"),
        )


def _kind(command: int) -> type[Message]:
    """Find what reads a command: its own message, else its class's, else `Unknown`."""
    return _BY_COMMAND.get(command) or _BY_CLASS.get(command >> 8) or Unknown
