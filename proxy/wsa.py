"""Winsock error codes: their names, Microsoft's headings, and the code of an `OSError`."""

from __future__ import annotations

import errno
import socket
import ssl
from types import MappingProxyType
from typing import Final, NamedTuple

EACCES: Final = 10013
EINVAL: Final = 10022
EAFNOSUPPORT: Final = 10047
EADDRINUSE: Final = 10048
EADDRNOTAVAIL: Final = 10049
ENETDOWN: Final = 10050
"""What a misconfigured proxy path gives (KB Q203116, Q193928)."""
ETIMEDOUT: Final = 10060
ECONNREFUSED: Final = 10061
ENAMETOOLONG: Final = 10063
SYSCALLFAILURE: Final = 10107
HOST_NOT_FOUND: Final = 11001

UNKNOWN: Final = SYSCALLFAILURE
"""
The code of an error that no Winsock code stands for.

Winsock's own "generic error code, returned under various conditions". Not 10050: that one says that
the proxy path is at fault, which nobody may claim of an error that nobody knows.
"""


class _Row(NamedTuple):
    """A Winsock error: its code, name and heading, and the errno names that mean it."""

    code: int
    name: str
    text: str
    names: tuple[str, ...] = ()


# Headings: Microsoft, "Windows Sockets Error Codes" (learn.microsoft.com, winsock). WSAExxx is
# BSD's Exxx; where more names stand in the last column, the others are our choice.
_TABLE: Final = (
    _Row(10004, "WSAEINTR", "Interrupted function call", ("EINTR",)),
    _Row(10009, "WSAEBADF", "File handle is not valid", ("EBADF",)),
    _Row(10013, "WSAEACCES", "Permission denied", ("EACCES", "EPERM")),
    _Row(10014, "WSAEFAULT", "Bad address", ("EFAULT",)),
    _Row(10022, "WSAEINVAL", "Invalid argument", ("EINVAL",)),
    _Row(10024, "WSAEMFILE", "Too many open files", ("EMFILE", "ENFILE")),
    _Row(10035, "WSAEWOULDBLOCK", "Resource temporarily unavailable", ("EWOULDBLOCK", "EAGAIN")),
    _Row(10036, "WSAEINPROGRESS", "Operation now in progress", ("EINPROGRESS",)),
    _Row(10037, "WSAEALREADY", "Operation already in progress", ("EALREADY",)),
    _Row(10038, "WSAENOTSOCK", "Socket operation on nonsocket", ("ENOTSOCK",)),
    _Row(10039, "WSAEDESTADDRREQ", "Destination address required", ("EDESTADDRREQ",)),
    _Row(10040, "WSAEMSGSIZE", "Message too long", ("EMSGSIZE",)),
    _Row(10041, "WSAEPROTOTYPE", "Protocol wrong type for socket", ("EPROTOTYPE",)),
    _Row(10042, "WSAENOPROTOOPT", "Bad protocol option", ("ENOPROTOOPT",)),
    _Row(10043, "WSAEPROTONOSUPPORT", "Protocol not supported", ("EPROTONOSUPPORT",)),
    _Row(10044, "WSAESOCKTNOSUPPORT", "Socket type not supported", ("ESOCKTNOSUPPORT",)),
    _Row(10045, "WSAEOPNOTSUPP", "Operation not supported", ("EOPNOTSUPP", "ENOTSUP")),
    _Row(10046, "WSAEPFNOSUPPORT", "Protocol family not supported", ("EPFNOSUPPORT",)),
    _Row(
        10047,
        "WSAEAFNOSUPPORT",
        "Address family not supported by protocol family",
        ("EAFNOSUPPORT",),
    ),
    _Row(10048, "WSAEADDRINUSE", "Address already in use", ("EADDRINUSE",)),
    # Beside a foreign address: a Unix socket's path whose folder isn't there or can't be written.
    _Row(
        10049,
        "WSAEADDRNOTAVAIL",
        "Cannot assign requested address",
        ("EADDRNOTAVAIL", "ENOENT", "ENOTDIR", "EROFS"),
    ),
    _Row(10050, "WSAENETDOWN", "Network is down", ("ENETDOWN",)),
    _Row(10051, "WSAENETUNREACH", "Network is unreachable", ("ENETUNREACH",)),
    _Row(10052, "WSAENETRESET", "Network dropped connection on reset", ("ENETRESET",)),
    _Row(10053, "WSAECONNABORTED", "Software caused connection abort", ("ECONNABORTED",)),
    _Row(10054, "WSAECONNRESET", "Connection reset by peer", ("ECONNRESET",)),
    _Row(10055, "WSAENOBUFS", "No buffer space available", ("ENOBUFS", "ENOMEM", "ENOSPC")),
    _Row(10056, "WSAEISCONN", "Socket is already connected", ("EISCONN",)),
    _Row(10057, "WSAENOTCONN", "Socket is not connected", ("ENOTCONN",)),
    _Row(10058, "WSAESHUTDOWN", "Cannot send after socket shutdown", ("ESHUTDOWN", "EPIPE")),
    _Row(10059, "WSAETOOMANYREFS", "Too many references", ("ETOOMANYREFS",)),
    _Row(10060, "WSAETIMEDOUT", "Connection timed out", ("ETIMEDOUT",)),
    _Row(10061, "WSAECONNREFUSED", "Connection refused", ("ECONNREFUSED",)),
    _Row(10062, "WSAELOOP", "Cannot translate name", ("ELOOP",)),
    _Row(10063, "WSAENAMETOOLONG", "Name too long", ("ENAMETOOLONG",)),
    _Row(10064, "WSAEHOSTDOWN", "Host is down", ("EHOSTDOWN",)),
    _Row(10065, "WSAEHOSTUNREACH", "No route to host", ("EHOSTUNREACH",)),
    _Row(10066, "WSAENOTEMPTY", "Directory not empty", ("ENOTEMPTY",)),
    _Row(10067, "WSAEPROCLIM", "Too many processes"),
    _Row(10068, "WSAEUSERS", "User quota exceeded", ("EUSERS",)),
    _Row(10069, "WSAEDQUOT", "Disk quota exceeded", ("EDQUOT",)),
    _Row(10070, "WSAESTALE", "Stale file handle reference", ("ESTALE",)),
    _Row(10071, "WSAEREMOTE", "Item is remote", ("EREMOTE",)),
    _Row(10091, "WSASYSNOTREADY", "Network subsystem is unavailable"),
    _Row(10092, "WSAVERNOTSUPPORTED", "Winsock.dll version out of range"),
    _Row(10093, "WSANOTINITIALISED", "Successful WSAStartup not yet performed"),
    _Row(10107, "WSASYSCALLFAILURE", "System call failure"),
    _Row(10109, "WSATYPE_NOT_FOUND", "Class type not found"),
    _Row(11001, "WSAHOST_NOT_FOUND", "Host not found"),
    _Row(11002, "WSATRY_AGAIN", "Nonauthoritative host not found"),
    _Row(11003, "WSANO_RECOVERY", "This is a nonrecoverable error"),
    _Row(11004, "WSANO_DATA", "Valid name, no data record of requested type"),
)

_BY_CODE: Final = MappingProxyType({row.code: row for row in _TABLE})
_BY_ERRNO: Final = MappingProxyType({name: row.code for row in _TABLE for name in row.names})

# ws2tcpip.h defines the EAI_ names as these codes; EAI_NODATA, EAI_SYSTEM and EAI_ADDRFAMILY aren't
# there any more, so theirs are our choice.
_BY_GAI_NAME: Final = {
    "EAI_NONAME": 11001,
    "EAI_AGAIN": 11002,
    "EAI_FAIL": 11003,
    "EAI_SYSTEM": 11003,
    "EAI_NODATA": 11004,
    "EAI_BADFLAGS": 10022,
    "EAI_FAMILY": 10047,
    "EAI_ADDRFAMILY": 10047,
    "EAI_SOCKTYPE": 10044,
    "EAI_SERVICE": 10109,
    "EAI_MEMORY": 10055,
}
_BY_GAI: Final = MappingProxyType(
    {getattr(socket, name): code for name, code in _BY_GAI_NAME.items() if hasattr(socket, name)}
)

# For what Python raises without a number: `TimeoutError` of asyncio, for one.
_BY_CLASS: Final[tuple[tuple[type[OSError], int], ...]] = (
    (TimeoutError, 10060),
    (ConnectionRefusedError, 10061),
    (ConnectionResetError, 10054),
    (ConnectionAbortedError, 10053),
    (BrokenPipeError, 10058),
    (PermissionError, 10013),
    (InterruptedError, 10004),
    (BlockingIOError, 10035),
)


def code_of(error: OSError) -> int:
    """
    Give the Winsock code of an error; `UNKNOWN` if no code stands for it.

    By name, since the numbers of errno differ between systems: `EADDRINUSE` is 98 on Linux and 48
    on macOS. On Windows the code is the error's own. Failures to resolve a name give 11001 to
    11004. Errors of TLS have no Winsock code.
    """
    own = getattr(error, "winerror", None) or error.errno
    if isinstance(own, int) and 10000 <= own < 12000:
        return own
    match error:
        case ssl.SSLError():  # its number is OpenSSL's
            return UNKNOWN
        case socket.gaierror():
            return _BY_GAI.get(error.errno or 0, HOST_NOT_FOUND)
        case socket.herror():  # h_errno counts from 1 as Winsock does from 11001
            return 11000 + min(max(error.errno or 1, 1), 4)
    if error.errno is None:
        return next((code for kind, code in _BY_CLASS if isinstance(error, kind)), UNKNOWN)
    return _BY_ERRNO.get(errno.errorcode.get(error.errno, ""), UNKNOWN)


def name_of(code: int) -> str:
    """Give the name of a code, `WSAENETDOWN` for instance; the number if it has none."""
    return _BY_CODE[code].name if code in _BY_CODE else str(code)


def text_of(code: int) -> str:
    """Give Microsoft's heading of a code, `Network is down` for instance."""
    return _BY_CODE[code].text if code in _BY_CODE else f"Winsock error {code}"
