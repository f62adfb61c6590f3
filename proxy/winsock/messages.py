"""The Winsock Proxy's control messages, one frozen value each; `wire.py` explains the marks."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol, Self

from . import wire
from .wire import Address

_VERSION_INFO_SIZE: Final = 20
"""Size of OSVERSIONINFO without its string [I]."""


class Message(Protocol):
    """What a datagram says: the command and its body."""

    size: ClassVar[int]
    """Length of the datagram at least, in bytes."""

    @property
    def command(self) -> int:
        """The command, u16 BE at 36: message class and sub-code [B, split I]."""
        ...

    def write(self, buffer: bytearray) -> None:
        """Put the body into a datagram of `size` zero bytes; may make it longer."""
        ...

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Take the body from a datagram of at least `MINIMUM_LENGTH` bytes."""
        ...


class _Plain:
    """A message of one fixed command."""

    __slots__ = ()
    size: ClassVar[int] = wire.MINIMUM_LENGTH
    code: ClassVar[int]

    @property
    def command(self) -> int:
        """The command, always the same."""
        return self.code


class _Empty(_Plain):
    """A message of one fixed command, without a body."""

    __slots__ = ()

    def write(self, buffer: bytearray) -> None:
        """Write nothing."""

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read nothing."""
        del data
        return cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What the client says of its machine in a hello [I: the numbers decode without remainder]."""

    major: int = 4
    """Operating system, major version, u32 LE at 180 [I]."""
    minor: int = 0
    """Minor version, u32 LE at 184 [I]."""
    build: int = 1381
    """Build, u32 LE at 188 [I]; 1381 is Windows NT 4.0."""
    platform: int = 2
    """Platform id, u32 LE at 192 [I]: 1 Windows 9x, 2 NT."""
    processor: int = 586
    """Processor type, u32 LE at 196 [I]."""


NT4: Final = System()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello(_Plain):
    """0x0500, client: greets, twice, and keeps the session alive [B]. Any 0x05xx is read as it."""

    code: ClassVar[int] = 0x0500
    system: System = NT4
    """At 172, after the block's total length and the size 20 [I]."""
    user: str = ""
    """First string at 220 [B]; an empty string follows it [B]."""
    executable: str = ""
    """Third string at 220 [B]."""
    computer: str = ""
    """Fourth string at 220 [B]."""

    def write(self, buffer: bytearray) -> None:
        """Write the block with right lengths and offsets; Dante's were fixed and wrong [B]."""
        user, executable, computer = map(
            wire.text_bytes, (self.user, self.executable, self.computer)
        )
        names = user + b"\0\0" + executable + b"\0" + computer + b"\0"
        start = wire.AT_NAMES - wire.AT_SYSTEM
        at_executable = start + len(user) + 2
        system = self.system
        buffer[wire.AT_SYSTEM :] = struct.pack(
            "<7I8x3I",
            start + len(names),
            _VERSION_INFO_SIZE,
            system.major,
            system.minor,
            system.build,
            system.platform,
            system.processor,
            start,
            at_executable + len(executable) + 1,
            at_executable,
        )
        buffer += names

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the strings one after the other, because offsets cannot be trusted [B]."""
        if len(data) < wire.AT_NAMES:
            return cls(system=System(major=0, minor=0, build=0, platform=0, processor=0))
        major, minor, build, platform, processor = struct.unpack_from(
            "<5I", data, wire.AT_SYSTEM + 8
        )
        user, _, rest = data[wire.AT_NAMES :].partition(b"\0")
        executable, _, rest = rest[1:].partition(b"\0")
        computer, _, _ = rest.partition(b"\0")
        return cls(
            system=System(
                major=major, minor=minor, build=build, platform=platform, processor=processor
            ),
            user=user.decode("latin-1"),
            executable=executable.decode("latin-1"),
            computer=computer.decode("latin-1"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloAck(_Plain):
    """0x1000, server: answers the first hello [B]. Any 0x10xx is read as it."""

    code: ClassVar[int] = 0x1000
    control: Address
    """Where the client shall send control messages, sin at 96 [B]; Dante keeps the old address."""

    def write(self, buffer: bytearray) -> None:
        """Write the address among the constants that were seen there [B, meaning I]."""
        struct.pack_into("<H", buffer, wire.AT_FIRST, 2)
        struct.pack_into("<4I", buffer, wire.AT_SECOND, 0x174, 12, 0, 4)
        struct.pack_into("<2I", buffer, 84, 1381, 2)
        wire.put_sin(buffer, wire.AT_CONTROL, self.control)

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the address; the constants say nothing that a client needs."""
        return cls(control=wire.get_sin(data, wire.AT_CONTROL))


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """0x04xx, server: "received"; 0x0400 answers the second hello [B], others mean wait [I]."""

    size: ClassVar[int] = wire.MINIMUM_LENGTH
    sub_code: int = 0
    """Byte 37; a leftover of other messages where it is not 0 [I]. 6 from a client: `Listening`."""
    value: int = 1
    """u16 LE at 56, 1 in the answer to the second hello [B]."""

    @property
    def command(self) -> int:
        """Class 04 and the sub-code."""
        return wire.with_sub_code(0x0400, self.sub_code)

    def write(self, buffer: bytearray) -> None:
        """Write the value."""
        struct.pack_into("<H", buffer, wire.AT_FIRST, self.value)

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read sub-code and value."""
        return cls(sub_code=data[wire.AT_COMMAND + 1], value=wire.get_u16_le(data, wire.AT_FIRST))


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """
    0x47xx, both ways: one step of an NTLM login [B; that the bytes are NTLMSSP's is I].

    Its sub-codes are the four constants here; a server looks at the token, because the low byte is
    a leftover for it [B].
    """

    size: ClassVar[int] = wire.MINIMUM_LENGTH
    NEGOTIATE: ClassVar[int] = 0x00
    """From the client, with NTLMSSP's NEGOTIATE_MESSAGE [B]."""
    AUTHENTICATE: ClassVar[int] = 0x01
    """From the client, with its AUTHENTICATE_MESSAGE [B]."""
    CHALLENGE: ClassVar[int] = 0x14
    """From the server, with its CHALLENGE_MESSAGE [B]."""
    DONE: ClassVar[int] = 0x15
    """From the server, without a token [B]; 0x16 is said to be the same [B]."""
    sub_code: int
    """Byte 37 [B]."""
    value: int = 0
    """u32 LE at 56: 2 in 0x4700 [B]; in the others not known [U]."""
    token: bytes = b""
    """The NTLMSSP message, from 172 to the end [B]."""

    @property
    def command(self) -> int:
        """Class 47 and the sub-code."""
        return wire.with_sub_code(0x4700, self.sub_code)

    def write(self, buffer: bytearray) -> None:
        """Write value and token."""
        struct.pack_into("<I", buffer, wire.AT_FIRST, self.value)
        buffer += self.token

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read sub-code, value and token."""
        (value,) = struct.unpack_from("<I", data, wire.AT_FIRST)
        return cls(
            sub_code=data[wire.AT_COMMAND + 1], value=value, token=bytes(data[wire.AT_TOKEN :])
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind(_Plain):
    """0x0704, client: bind this port on the proxy [B]."""

    code: ClassVar[int] = 0x0704
    size: ClassVar[int] = 220
    port: int
    """Requested port, u16 BE at 60 [B label]; real clients send the same at 66 [A, B]."""
    local_port: int
    """The client's own port, in the sin at 64, port at 66 [B label]."""
    address: str = wire.ANY_HOST
    """"Bind address" at 56 [B label], zero in Dante; carries ProxyBindIp here [U]."""
    kill_old: bool = False
    """
    KillOldSession: end an earlier session of this program that holds the port. How a real client
    says so is not known. A lab convention [U]: `LABK` at 172, in what is padding in Dante's BIND,
    and only if it is wanted.
    """

    def write(self, buffer: bytearray) -> None:
        """Write the body; the constant 1 at 42 is Dante's [B]."""
        if self.kill_old:
            buffer[wire.AT_LAB : wire.AT_LAB + 4] = wire.KILL_OLD_SESSION
        struct.pack_into("<H", buffer, wire.AT_ONE, 1)
        buffer[wire.AT_FIRST : wire.AT_FIRST + 4] = wire.packed(self.address)
        struct.pack_into(">H", buffer, wire.AT_PORT, self.port)
        wire.put_sin(buffer, wire.AT_SECOND, Address(wire.ANY_HOST, self.local_port))

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the body."""
        return cls(
            port=wire.get_u16(data, wire.AT_PORT),
            local_port=wire.get_sin(data, wire.AT_SECOND).port,
            address=wire.get_host(data, wire.AT_FIRST),
            kill_old=data[wire.AT_LAB : wire.AT_LAB + 4] == wire.KILL_OLD_SESSION,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BindAck(_Plain):
    """0x0706, server: bound [B]. At least 212 bytes, or a real client fails [B]."""

    code: ClassVar[int] = 0x0706
    size: ClassVar[int] = 212
    bind_id: bytes
    """4 opaque bytes at 44, which the client sends back [B]."""
    external: Address
    """What was bound on the Internet side, sin at 56 [B]."""

    def write(self, buffer: bytearray) -> None:
        """Write the body."""
        buffer[wire.AT_BIND_ID : wire.AT_BIND_ID + 4] = wire.four_bytes(self.bind_id)
        wire.put_sin(buffer, wire.AT_FIRST, self.external)

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the body."""
        return cls(
            bind_id=wire.get_id(data, wire.AT_BIND_ID), external=wire.get_sin(data, wire.AT_FIRST)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpBind(_Plain):
    """0x0707, client: listen on what was bound [B; that it is listen() is I]."""

    code: ClassVar[int] = 0x0707
    size: ClassVar[int] = 222
    bind_id: bytes
    """As the server gave it, at 44 [B]."""
    backlog: int = 5
    """u32 LE at 56 [I]: 5 is Winsock 1.1's SOMAXCONN, a magic number to Dante."""
    local_port: int
    """The client's own port, u16 BE at 60 and in the sin at 64 [B]."""

    def write(self, buffer: bytearray) -> None:
        """Write the body; the constant 1 at 42 is Dante's [B]."""
        struct.pack_into("<H", buffer, wire.AT_ONE, 1)
        buffer[wire.AT_BIND_ID : wire.AT_BIND_ID + 4] = wire.four_bytes(self.bind_id)
        struct.pack_into("<I", buffer, wire.AT_FIRST, self.backlog)
        struct.pack_into(">H", buffer, wire.AT_PORT, self.local_port)
        wire.put_sin(buffer, wire.AT_SECOND, Address(wire.ANY_HOST, self.local_port))

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the body."""
        (backlog,) = struct.unpack_from("<I", data, wire.AT_FIRST)
        return cls(
            bind_id=wire.get_id(data, wire.AT_BIND_ID),
            backlog=backlog,
            local_port=wire.get_u16(data, wire.AT_PORT),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpBindAck(_Plain):
    """0x0708, server: listening [B]. A real client reads only command, server id and ack."""

    code: ClassVar[int] = 0x0708
    bind_id: bytes
    """At 44 [B]."""
    internal_port: int = 0
    """Port of the proxy's internal socket, u16 BE at 60 [B]."""
    external: Address
    """sin at 64 [B]."""

    def write(self, buffer: bytearray) -> None:
        """Write the body."""
        buffer[wire.AT_BIND_ID : wire.AT_BIND_ID + 4] = wire.four_bytes(self.bind_id)
        struct.pack_into(">H", buffer, wire.AT_PORT, self.internal_port)
        wire.put_sin(buffer, wire.AT_SECOND, self.external)

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the body."""
        return cls(
            bind_id=wire.get_id(data, wire.AT_BIND_ID),
            internal_port=wire.get_u16(data, wire.AT_PORT),
            external=wire.get_sin(data, wire.AT_SECOND),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening(_Plain):
    """0x0406, client: sent after 0x0708, no reply [B]; perhaps only an acknowledgement [I]."""

    code: ClassVar[int] = 0x0406
    external: Address
    """As 0x0706 gave it, sin at 56 [B]."""
    local_port: int = 0
    """The client's own port, u16 BE at 72 [B]; 0 in Dante."""

    def write(self, buffer: bytearray) -> None:
        """Write the body."""
        wire.put_sin(buffer, wire.AT_FIRST, self.external)
        struct.pack_into(">H", buffer, wire.AT_INTERNAL_PORT, self.local_port)

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the body."""
        return cls(
            external=wire.get_sin(data, wire.AT_FIRST),
            local_port=wire.get_u16(data, wire.AT_INTERNAL_PORT),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BindInfo(_Plain):
    """0x0709, server: somebody connected; the proxy is about to connect here [B]."""

    code: ClassVar[int] = 0x0709
    bind_id: bytes
    """At 44 [B]."""
    peer: Address
    """The Internet host, sin at 56 [B]."""
    internal_port: int
    """Port from which the proxy will connect to the client, u16 BE at 72 [B]."""
    external: Address
    """Where the peer connected to, sin at 74 [B]."""
    copied: bytes = bytes(2)
    """2 bytes at 38, which the client sends back [B]."""
    padding: bytes = bytes(8)
    """8 bytes at 64, the end of the peer's sin, which the client sends back [B]."""

    def write(self, buffer: bytearray) -> None:
        """Write the body."""
        buffer[wire.AT_BIND_ID : wire.AT_BIND_ID + 4] = wire.four_bytes(self.bind_id)
        _put_notice(buffer, self)

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the body."""
        return cls(
            bind_id=wire.get_id(data, wire.AT_BIND_ID),
            peer=wire.get_sin(data, wire.AT_FIRST),
            internal_port=wire.get_u16(data, wire.AT_INTERNAL_PORT),
            external=wire.get_sin(data, wire.AT_EXTERNAL),
            copied=bytes(data[wire.AT_COPIED : wire.AT_COPIED + 2]),
            padding=bytes(data[wire.AT_SECOND : wire.AT_SECOND + 8]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BindInfoAck(_Plain):
    """0x070A, client: ready for that connection; the proxy connects only after it [B]."""

    code: ClassVar[int] = 0x070A
    notice: BindInfo
    """What is acknowledged: bind id at 44 and 52, the rest copied to where it stood [B]."""

    def write(self, buffer: bytearray) -> None:
        """Write the body; the constants 1 at 42 and 50 are Dante's [B]."""
        struct.pack_into("<H", buffer, wire.AT_ONE, 1)
        struct.pack_into("<H", buffer, wire.AT_SECOND_ONE, 1)
        buffer[wire.AT_BIND_ID : wire.AT_BIND_ID + 4] = wire.four_bytes(self.notice.bind_id)
        buffer[wire.AT_SECOND_BIND_ID : wire.AT_SECOND_BIND_ID + 4] = wire.four_bytes(
            self.notice.bind_id
        )
        _put_notice(buffer, self.notice)

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the body."""
        return cls(notice=BindInfo.read(data))


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnd(_Empty):
    """0x251E, client: the session is over [B]; no body, no reply. Any 0x25xx is read as it."""

    code: ClassVar[int] = 0x251E


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressInUse(_Empty):
    """0x0701, server: the port is taken on the proxy [B, weak: defined there, never used]."""

    code: ClassVar[int] = 0x0701


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """0x08xx, server: not allowed [B for 0x0804 and 0x081E, else I; after a login U]."""

    size: ClassVar[int] = wire.MINIMUM_LENGTH
    operation: int
    """
    Byte 37: sub-code of the refused 0x07xx command [I]: 4 bind, 7 listen, 0x1E connect. That 0 and
    1 refuse a login (0x4700, 0x4701) is a lab convention [U].
    """

    @property
    def command(self) -> int:
        """Class 08 and the refused command's sub-code."""
        return wire.with_sub_code(0x0800, self.operation)

    def write(self, buffer: bytearray) -> None:
        """Write nothing."""

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the sub-code."""
        return cls(operation=data[wire.AT_COMMAND + 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Any other command: names, connects, UDP. No body is kept."""

    size: ClassVar[int] = wire.MINIMUM_LENGTH
    code: int
    """u16 BE at 36."""

    @property
    def command(self) -> int:
        """The command as it came."""
        return self.code

    def write(self, buffer: bytearray) -> None:
        """Write nothing."""

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Read the command."""
        return cls(code=wire.get_u16(data, wire.AT_COMMAND))


def _put_notice(buffer: bytearray, notice: BindInfo) -> None:
    """Write what 0x0709 and 0x070A have in common."""
    if (len(notice.copied), len(notice.padding)) != (2, 8):
        raise wire.CodecError("a notice copies 2 and 8 bytes")
    wire.put_sin(buffer, wire.AT_FIRST, notice.peer)
    wire.put_sin(buffer, wire.AT_EXTERNAL, notice.external)
    struct.pack_into(">H", buffer, wire.AT_INTERNAL_PORT, notice.internal_port)
    buffer[wire.AT_COPIED : wire.AT_COPIED + 2] = notice.copied
    buffer[wire.AT_SECOND : wire.AT_SECOND + 8] = notice.padding
